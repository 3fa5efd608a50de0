/**
 * The console's live picture of the sessions: `/api/v1/events`, reconnected for as long as the page is open.
 *
 * The feed begins with all sessions, so that nothing has to be merged after an interruption; what was known stays on
 * screen meanwhile, marked as old.
 */
import { computed, signal } from "@preact/signals";
import { ApiProblem, api } from "./client";
import { Backoff, waitToRetry } from "./backoff";
import { followClock } from "./clock";
import type { Session } from "./types";

export type FeedState = "loading" | "live" | "offline" | "failed" | "signed_out";

export class LiveSessions {
  readonly state = signal<FeedState>("loading");
  readonly #sessions = signal<ReadonlyMap<string, Session>>(new Map());
  /** All known sessions, newest first. */
  readonly all = computed(() =>
    [...this.#sessions.value.values()].sort((a, b) => b.created_at.localeCompare(a.created_at)),
  );
  readonly open = computed(() => this.all.value.filter((session) => session.state !== "ended"));
  readonly ended = computed(() => this.all.value.filter((session) => session.state === "ended"));

  get(id: string): Session | undefined {
    return this.#sessions.value.get(id);
  }

  /**
   * Takes in a session as the feed or an answer of the API has it. An answer may arrive after the feed has said more:
   * it never takes back how far a session's end has come.
   */
  update(session: Session): void {
    const known = this.#sessions.peek().get(session.id);
    if (known !== undefined && endProgress(session) < endProgress(known)) return;
    this.#sessions.value = new Map(this.#sessions.peek()).set(session.id, session);
  }

  /** Keeps the picture live until `signal` is aborted or the technician turns out to be signed out. */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      const wasLive = await this.#follow(signal);
      if (signal.aborted) return;
      if (wasLive) backoff.reset();
      if (await this.#isSignedOut()) {
        this.state.value = "signed_out";
        return;
      }
      this.state.value = this.state.peek() === "loading" ? "failed" : "offline";
      await waitToRetry(backoff.next(), signal).catch(() => undefined);
    }
  }

  /** One connection; resolves when it is over, to whether it ever worked. */
  #follow(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/v1/events`);
      let worked = false;
      const abort = (): void => socket.close();
      signal.addEventListener("abort", abort);
      socket.onmessage = (event: MessageEvent<unknown>) => {
        if (!this.#take(event.data)) return;
        worked = true;
        this.state.value = "live";
      };
      socket.onclose = () => {
        signal.removeEventListener("abort", abort);
        resolve(worked);
      };
    });
  }

  #take(data: unknown): boolean {
    const message = parseEvent(data);
    if (message === null) return false;
    followClock(message.now);
    if (message.type === "session") {
      this.update(message.session);
    } else if (message.type === "gone") {
      this.#drop(message.id);
    } else {
      const listed = new Set(message.sessions.map((session) => session.id));
      const missing = this.open.peek().filter((session) => !listed.has(session.id));
      const known = [...this.ended.peek(), ...missing, ...message.sessions];
      this.#sessions.value = new Map(known.map((session) => [session.id, session]));
      // The feed lists open sessions: these ended while it was interrupted.
      for (const session of missing) void this.#reload(session.id);
    }
    return true;
  }

  async #reload(id: string): Promise<void> {
    try {
      const answer = await api.session(id);
      this.update(answer.session);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 404) return;
      this.#drop(id);
    }
  }

  #drop(id: string): void {
    const sessions = new Map(this.#sessions.peek());
    if (sessions.delete(id)) this.#sessions.value = sessions;
  }

  async #isSignedOut(): Promise<boolean> {
    try {
      await api.me();
      return false;
    } catch (error) {
      return error instanceof ApiProblem && error.status === 401;
    }
  }
}

function endProgress(session: Session): 0 | 1 | 2 {
  if (session.state !== "ended") return 0;
  return session.removal === "confirmed" || session.removal === "all_but_last" ? 2 : 1;
}

type FeedEvent =
  | { readonly type: "sessions"; readonly sessions: readonly Session[]; readonly now: string }
  | { readonly type: "session"; readonly session: Session; readonly now: string }
  /** Not for the reader's eyes any more. */
  | { readonly type: "gone"; readonly id: string; readonly now: string };

/** Reads one message of the feed; null for anything unknown, which a newer relay may send. */
export function parseEvent(data: unknown): FeedEvent | null {
  if (typeof data !== "string") return null;
  try {
    const message = JSON.parse(data) as Partial<FeedEvent> | null;
    if (message?.type === "sessions" && Array.isArray(message.sessions)) return message as FeedEvent;
    if (message?.type === "session" && typeof message.session?.id === "string") return message as FeedEvent;
    if (message?.type === "gone" && typeof message.id === "string") return message as FeedEvent;
    return null;
  } catch {
    return null;
  }
}
