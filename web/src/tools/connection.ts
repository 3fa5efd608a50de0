/**
 * The life of one viewer: from the access password to a tool's stream, and back to it after every interruption.
 *
 *     loading → password → connecting → securing → connected
 *                  ▲                                  │ computer gone: waits for it, opens a new stream
 *                  │ wrong password                   │ relay gone: fresh ticket after a jittered wait
 *                  └──────────────────────────────────┤ customer paused: tries again by itself; said no: stops
 *                                                     │ session ended: over, for good
 *
 * It knows no page: `Display` shows what it is given, and `state` says what to tell the technician. The password stays
 * in memory, and in the tab's storage only if they asked for that. Beside the tool's first stream the page may open
 * more of them, and one for the chat, on the same connection (`OpenTool`).
 */
import { signal } from "@preact/signals";
import { ApiProblem, Unreachable, api } from "../api/client";
import { Backoff, spreadWithin, waitToRetry } from "../api/backoff";
import { followClock, relayNow } from "../api/clock";
import type { Session, Tool } from "../api/types";
import type { PlainKey } from "../i18n/text";
import { PROGRAM, TICKET_BYTES } from "../pairing/line";
import { CloseReason } from "../protocol/closeReasons";
import { CodeError } from "../protocol/codes";
import { WrongSecret } from "../protocol/errors";
import { decodeBase64url } from "../protocol/links";
import { WRAPPED_BYTES, unwrapPairingKey } from "../protocol/wrapping";
import { loadPairingKey, removePairingKey, storePairingKey } from "../keeping/pairingKeys";
import { owned, type Bytes } from "../protocol/bytes";
import { TunnelClient } from "../tunnel/client";
import { connectChannel, type SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";

export type ViewerState =
  | { readonly kind: "loading" | "connecting" | "securing" | "connected" | "host_offline" | "not_active" }
  | { readonly kind: "password"; readonly fault: PlainKey | null }
  /** The relay cannot be reached; `retryAt` by the relay's clock, Unix milliseconds. */
  | { readonly kind: "unreachable"; readonly retryAt: number }
  /** The customer or their computer keeps it from going on for now; it is tried again by itself. */
  | { readonly kind: "waiting"; readonly title: PlainKey }
  /** Over. */
  | { readonly kind: "ended"; readonly reason: string }
  /** Cannot go on by itself, but the technician may try again. */
  | { readonly kind: "stopped"; readonly title: PlainKey; readonly hint: PlainKey | null };

/** A tool's stream, just proven, and the way to more on the same connection. */
export interface OpenTool {
  readonly channel: SealedChannel;
  /**
   * Opens another stream, of this tool or for the chat, with the tool's options packed as claims.
   *
   * @throws StreamClosed if that is refused, or all is closed.
   */
  readonly openStream: (tool: Tool, claims?: Bytes) => Promise<SealedChannel>;
}

/** Where the tool is shown. */
export interface Display {
  /** Calls `ToolConnection.showed` as soon as there is something to be seen. */
  show(opened: OpenTool): void;
  /** Takes away at once what is shown. */
  clear(): void;
}

/** Where the password is kept for the tab. */
export type PasswordStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const STOPS: ReadonlyMap<CloseReason, PlainKey> = new Map([
  [CloseReason.PLAN, "viewer_plan"],
  [CloseReason.KIND_NOT_GRANTED, "viewer_not_granted"],
  [CloseReason.UNAVAILABLE, "viewer_unavailable"],
  [CloseReason.DECLINED, "viewer_declined"],
  [CloseReason.NOT_ALLOWED, "viewer_customer_refuses"],
]);

/** What is over by itself one day, and is tried again until then. */
const WAITS: ReadonlyMap<CloseReason, PlainKey> = new Map([[CloseReason.PAUSED, "viewer_paused"]]);

/** How often that is tried, seconds. */
const WAITING_POLL = 2;

/** How often the page asks whether a session that is not active yet has become so, seconds. */
const ACTIVATION_POLL = 2;

/** What a connection needs, both proven to the host together. */
interface Unlocked {
  readonly pairingKey: Bytes;
  readonly accessPassword: string;
}

/** The technician must act before anything can go on. */
class Stopped extends Error {
  constructor(
    readonly title: PlainKey,
    readonly hint: PlainKey | null = null,
  ) {
    super(title);
  }
}

export class ToolConnection {
  readonly state = signal<ViewerState>({ kind: "loading" });
  readonly session = signal<Session | null>(null);
  /** The computer is being restarted, and when its program comes back; until there is something to be seen again. */
  readonly restarting = signal<"boot" | "sign_in" | null>(null);
  /** The company wants to know why somebody connects. */
  readonly needsReason = signal(false);
  readonly #backoff = new Backoff();
  #password: string | null;
  #reason: string | null = null;
  #passwordTyped: (() => void) | null = null;
  #retryNow: (() => void) | null = null;
  #client: TunnelClient | null = null;
  #moveWithin: number | null = null;

  constructor(
    private readonly id: string,
    private readonly tool: Tool,
    private readonly display: Display,
    private readonly store: PasswordStore,
    private readonly onSignedOut: () => void,
    requiresReason = false,
  ) {
    this.needsReason.value = requiresReason;
    this.#password = store.getItem(this.#storeKey);
  }

  /** The technician typed the access password and, where it is wanted, why they connect. */
  usePassword(password: string, isKept: boolean, reason = ""): void {
    this.#password = password;
    this.#reason = reason === "" ? null : reason;
    if (isKept) this.store.setItem(this.#storeKey, password);
    this.#passwordTyped?.();
  }

  /** Drops the connection, or the wait for one; `run` makes a new one at once. */
  reconnect(): void {
    this.#backoff.reset();
    this.#retryNow?.();
    this.#client?.close(CloseReason.DETACHED);
  }

  /** The technician ended the session from this page. */
  end(session: Session): void {
    this.session.value = session;
    this.#finish(session.end_reason ?? CloseReason.ENDED_BY_TECHNICIAN.wire);
    this.#client?.close();
  }

  /** Works until the session ends, the technician must act, or `signal` is aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const abort = (): void => {
      this.display.clear();
      this.#client?.close();
    };
    signal.addEventListener("abort", abort);
    try {
      while (!signal.aborted && this.state.peek().kind !== "ended") await this.#attempt(signal);
    } catch (error) {
      if (error instanceof Stopped) this.state.value = { kind: "stopped", title: error.title, hint: error.hint };
      else if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener("abort", abort);
      this.display.clear();
    }
  }

  /** One way from the session's state to a connection, and to its end. */
  async #attempt(signal: AbortSignal): Promise<void> {
    try {
      const session = await this.#load();
      if (session.state === "ended") {
        this.#finish(session.end_reason ?? "");
      } else if (session.state !== "active") {
        this.state.value = { kind: "not_active" };
        await waitToRetry(ACTIVATION_POLL, signal);
      } else {
        await this.#connect(signal);
      }
    } catch (error) {
      this.display.clear();
      if (error instanceof Stopped || signal.aborted) throw error;
      if (error instanceof ApiProblem && error.status === 401) this.onSignedOut();
      if (error instanceof ApiProblem && error.status === 404) throw new Stopped("viewer_no_session");
      if (error instanceof ApiProblem && error.status === 403) throw new Stopped("viewer_not_allowed");
      if (this.state.peek().kind === "ended") return;
      if (error instanceof ApiProblem && error.fields.has("reason")) {
        // The company began to want one while this page was open.
        this.needsReason.value = true;
        this.#reason = null;
        return;
      }
      await this.#waitToComeBack(error, signal);
    }
  }

  async #load(): Promise<Session> {
    const { session, now } = await api.session(this.id);
    followClock(now);
    this.session.value = session;
    return session;
  }

  async #connect(signal: AbortSignal): Promise<void> {
    let unlocked = await this.#unlock(signal);
    this.state.value = { kind: "connecting" };
    const ticket = await api.ticket(this.id, this.#kinds(), this.#reason);
    signal.throwIfAborted();
    const client = new TunnelClient({
      url: ticket.url,
      ticket: decodeBase64url(ticket.ticket, TICKET_BYTES),
      program: PROGRAM,
    });
    this.#client = client;
    const host = new HostPresence(client);
    client.on("notice", (notice) => {
      if (notice.name === "ended") this.#finish(notice.reason.wire);
      if (notice.name === "move") this.#moveWithin = notice.within;
    });
    client.on("closed", (reason) => {
      if (reason.endsSession) this.#finish(reason.wire);
      this.display.clear();
    });
    try {
      const welcome = await client.whenWelcome();
      followClock(welcome.now);
      host.isOnline = welcome.hostOnline;
      for (;;) {
        if (!host.isOnline) this.state.value = { kind: "host_offline" };
        await host.waitOnline();
        if (this.state.peek().kind !== "waiting") this.state.value = { kind: "securing" };
        const outcome = await this.#useStream(client, unlocked, signal);
        const wait = WAITS.get(outcome);
        if (outcome === CloseReason.WRONG_PASSWORD) {
          this.#forgetPassword();
          unlocked = await this.#unlock(signal, "wrong_password");
        } else if (outcome === CloseReason.HOST_OFFLINE) {
          host.isOnline = false;
        } else if (wait !== undefined && client.closeReason === null) {
          this.state.value = { kind: "waiting", title: wait };
          await waitToRetry(WAITING_POLL, signal);
        } else if (client.closeReason === null) {
          this.state.value = { kind: "connecting" };
          await waitToRetry(this.#backoff.next(), signal);
        }
      }
    } finally {
      client.close();
      this.#client = null;
    }
  }

  /** The tool, and the chat where it is to be had: whoever may only watch does not talk. */
  #kinds(): Tool[] {
    return this.session.peek()?.access === "view" ? [this.tool] : [this.tool, "chat"];
  }

  /** One stream of the tool, from the handshake to its end. @throws StreamClosed once the connection is closed. */
  async #useStream(client: TunnelClient, unlocked: Unlocked, signal: AbortSignal): Promise<CloseReason> {
    const place = { origin: location.origin, session: this.id };
    const openStream = (tool: Tool, claims?: Bytes): Promise<SealedChannel> =>
      connectChannel(client, tool, { ...place, ...unlocked, signal, ...(claims && { claims }) });
    let channel: SealedChannel;
    try {
      channel = await openStream(this.tool);
    } catch (error) {
      if (error instanceof CodeError) return CloseReason.WRONG_PASSWORD;
      if (!(error instanceof StreamClosed) || client.closeReason !== null) throw error;
      const stop = STOPS.get(error.reason);
      if (stop !== undefined) throw new Stopped(stop);
      return error.reason;
    }
    // Whoever typed the password into this browser may come back with it, also after the relay's copy is gone.
    await storePairingKey(this.id, unlocked.pairingKey).catch(() => undefined);
    this.display.show({ channel, openStream });
    const reason = await channel.closed;
    // A shell that exits is over, and the page may open another one. Any other tool's end is an interruption: noVNC too
    // ends its stream so, when it cannot go on.
    if (this.tool === "shell" && reason === CloseReason.DONE && client.closeReason === null) await closing(client);
    this.display.clear();
    if (client.closeReason !== null) throw new StreamClosed(client.closeReason);
    // Asked, the customer said no: asking again and again by itself would wear them down.
    if (reason === CloseReason.NOT_ALLOWED) throw new Stopped("viewer_customer_refuses");
    return reason;
  }

  /** There is something to be seen: what follows is a new story for the waits. */
  showed(): void {
    if (!["securing", "waiting"].includes(this.state.peek().kind)) return;
    this.state.value = { kind: "connected" };
    this.restarting.value = null;
    this.#backoff.reset();
  }

  /** The access password, and with it this browser's pairing key or the relay's copy of it. */
  async #unlock(signal: AbortSignal, fault: PlainKey | null = null): Promise<Unlocked> {
    const stored = await loadPairingKey(this.id);
    if (stored !== null) return { pairingKey: owned(stored), accessPassword: await this.#askPassword(signal, fault) };
    const { wrapped } = await api.wrappedKey(this.id);
    if (wrapped === null) throw new Stopped("viewer_no_key", "viewer_no_key_hint");
    for (let wrong = fault; ; wrong = "viewer_unwrap_failed") {
      const accessPassword = await this.#askPassword(signal, wrong);
      this.state.value = { kind: "securing" };
      try {
        const pairingKey = await unwrapPairingKey(decodeBase64url(wrapped, WRAPPED_BYTES), accessPassword, this.id);
        return { pairingKey, accessPassword };
      } catch (error) {
        if (!(error instanceof WrongSecret) && !(error instanceof CodeError)) throw error;
        this.#forgetPassword();
      }
    }
  }

  /** The password, typed now if it is not known. */
  async #askPassword(signal: AbortSignal, fault: PlainKey | null = null): Promise<string> {
    while (this.#password === null || (this.needsReason.peek() && this.#reason === null)) {
      this.state.value = { kind: "password", fault };
      await new Promise<void>((resolve, reject) => {
        this.#passwordTyped = resolve;
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
    }
    return this.#password;
  }

  #forgetPassword(): void {
    this.#password = null;
    this.store.removeItem(this.#storeKey);
  }

  async #waitToComeBack(error: unknown, signal: AbortSignal): Promise<void> {
    const isKnown = error instanceof StreamClosed || error instanceof Unreachable || error instanceof ApiProblem;
    if (!isKnown) throw error;
    const seconds = this.#moveWithin === null ? this.#backoff.next() : spreadWithin(this.#moveWithin);
    this.#moveWithin = null;
    this.state.value = { kind: "unreachable", retryAt: relayNow() + seconds * 1000 };
    await Promise.race([waitToRetry(seconds, signal), new Promise<void>((resolve) => (this.#retryNow = resolve))]);
  }

  #finish(reason: string): void {
    this.display.clear();
    this.state.value = { kind: "ended", reason };
    this.#forgetPassword();
    void removePairingKey(this.id);
  }

  get #storeKey(): string {
    return `adhoc.password.${this.id}`;
  }
}

function closing(client: TunnelClient): Promise<void> {
  return new Promise((resolve) => client.on("closed", () => resolve()));
}

/** Whether the host is there, by the relay's word; waiting for it fails when the connection is closed. */
class HostPresence {
  #isOnline = false;
  #settle: (() => void) | null = null;

  constructor(private readonly client: TunnelClient) {
    client.on("notice", (notice) => {
      if (notice.name === "host_online") this.isOnline = true;
      if (notice.name === "host_offline") this.isOnline = false;
    });
    client.on("closed", () => this.#settle?.());
  }

  get isOnline(): boolean {
    return this.#isOnline;
  }

  set isOnline(value: boolean) {
    this.#isOnline = value;
    if (value) this.#settle?.();
  }

  async waitOnline(): Promise<void> {
    while (!this.#isOnline && this.client.closeReason === null) {
      await new Promise<void>((resolve) => (this.#settle = resolve));
    }
    if (this.client.closeReason !== null) throw new StreamClosed(this.client.closeReason);
  }
}
