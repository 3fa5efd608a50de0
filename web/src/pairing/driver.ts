/**
 * Pairs a prepared session by itself, as soon as its host waits: the technician only reads out the code.
 *
 * One pair stream is open at a time; it waits at the host until the customer has typed a code. A wrong code costs a try
 * and the next stream is opened with the next attempt. The driver rests while the host is away, and while the code is
 * over (10 min) or dead (5 tries) until `useCode` brings another one.
 *
 * The driver ends by `stop` only: that the session became active or ended is for its owner to see.
 */
import { signal, type ReadonlySignal } from "@preact/signals";
import { Backoff, waitToRetry } from "../api/backoff";
import type { Session } from "../api/types";
import { secondsLeft, type Pending } from "../keeping/pending";

export type PairingStep =
  | "paused"
  | "waiting_host"
  | "connecting"
  | "waiting_code"
  | "checking"
  | "asking"
  | "paired"
  | "unreachable"
  | "other_tab";

export interface PairingState {
  readonly step: PairingStep;
  /** What became of the last try; the next one clears it only when it gets further. */
  readonly fault: "wrong_code" | "declined" | "failed" | null;
  /** Why the pairing key could not be kept, in the browser's words. */
  readonly problem: string | null;
}

/** What one pair stream came to. */
export type PairOutcome = "paired" | "wrong_code" | "declined" | "too_many_tries" | "host_offline" | "failed";

/** One viewer connection that may open pair streams. Its methods reject when the connection is lost. */
export interface PairLine {
  /**
   * Opens the next pair stream, and sees it through to its end; a paired one has stored the key and told the relay.
   *
   * @param onStep called when the customer has typed a code, and when they are asked to allow.
   * @throws KeyNotKept if the browser cannot store the pairing key.
   */
  pair(pending: Pending, onStep: (step: "checking" | "asking") => void, signal: AbortSignal): Promise<PairOutcome>;
  close(): void;
}

/** The browser cannot keep the pairing key; without it nothing could be connected. */
export class KeyNotKept extends Error {
  override readonly name = "KeyNotKept";
}

/** What the driver needs of the session. */
export type PairSession = Pick<Session, "id" | "code" | "tries" | "max_tries"> & {
  readonly host: { readonly online: boolean } | null;
};

/** How long after pairing the session may take to become active before pairing is tried again, seconds. */
const ACTIVATION_TIMEOUT = 15;
/** The shortest pause after a stream that came to nothing, seconds. */
const REST = 1;

export class PairingDriver {
  readonly #state = signal<PairingState>({ step: "waiting_host", fault: null, problem: null });
  readonly #stopped = new AbortController();
  #session: PairSession;
  #pending: Pending;
  #round: AbortController | null = null;
  #wake: () => void = () => undefined;

  constructor(
    session: PairSession,
    pending: Pending,
    private readonly openLine: (signal: AbortSignal) => Promise<PairLine>,
    private readonly wait: (seconds: number, signal: AbortSignal) => Promise<void> = waitToRetry,
    private readonly backoff: Backoff = new Backoff(),
  ) {
    this.#session = session;
    this.#pending = pending;
  }

  get state(): ReadonlySignal<PairingState> {
    return this.#state;
  }

  /** The session changed. */
  follow(session: PairSession): void {
    this.#session = session;
    this.#changed();
  }

  /** Another code is shown from now on. */
  useCode(pending: Pending | null): void {
    if (pending === null || pending.code === this.#pending.code) return;
    this.#pending = pending;
    this.#set({ fault: null, problem: null });
    this.#round?.abort(new DOMException("another code", "AbortError"));
    this.#changed();
  }

  stop(): void {
    this.#stopped.abort(new DOMException("stopped", "AbortError"));
    this.#round?.abort(this.#stopped.signal.reason);
    this.#wake();
  }

  /** Works until `stop`. Never throws. */
  async run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      if (!this.#isWanted()) {
        this.#set({ step: this.#isCodeGood() ? "waiting_host" : "paused" });
        await this.#change();
        continue;
      }
      const round = new AbortController();
      this.#round = round;
      try {
        await this.#exclusively(round.signal);
      } catch (error) {
        if (this.#stopped.signal.aborted) return;
        // Trying again would cost the customer another code, and end the same way.
        if (error instanceof KeyNotKept) this.#set({ problem: error.message });
        if (round.signal.aborted || error instanceof KeyNotKept) continue;
        this.#set({ step: "unreachable" });
        await this.wait(this.backoff.next(), this.#stopped.signal).catch(() => undefined);
      }
    }
  }

  /** One round at a time in all tabs of this browser: a duplicated tab has the same secrets. */
  async #exclusively(signal: AbortSignal): Promise<void> {
    this.#set({ step: "other_tab" });
    await navigator.locks.request(`adhoc.pair.${this.#session.id}`, { signal }, () => this.#pairUntilDone(signal));
  }

  async #pairUntilDone(signal: AbortSignal): Promise<void> {
    this.#set({ step: "connecting" });
    const line = await this.openLine(signal);
    try {
      while (this.#isWanted() && !signal.aborted) {
        this.#set({ step: "waiting_code" });
        const outcome = await this.#tryOnce(line, signal);
        if (outcome === "paired") {
          this.#set({ step: "paired", fault: null, problem: null });
          this.backoff.reset();
          // Being stopped is the ordinary end of this wait.
          await this.wait(ACTIVATION_TIMEOUT, signal);
          return;
        }
        if (outcome === "wrong_code" || outcome === "declined") {
          this.#set({ fault: outcome });
          this.backoff.reset();
          continue;
        }
        if (outcome === "failed") this.#set({ fault: outcome });
        // The live picture may lag behind what the stream said; it gets a moment to catch up.
        await this.wait(REST + this.backoff.next(), signal);
        return;
      }
    } finally {
      line.close();
    }
  }

  async #tryOnce(line: PairLine, signal: AbortSignal): Promise<PairOutcome> {
    const round = this.#round;
    const milliseconds = secondsLeft(this.#pending, Date.now()) * 1000;
    // A code that runs out while nobody types takes its stream along; one that was typed in time is seen through.
    const lapse = setTimeout(() => {
      if (this.#state.peek().step === "waiting_code") round?.abort(new DOMException("code over", "AbortError"));
    }, milliseconds);
    try {
      const onStep = (step: "checking" | "asking"): void =>
        this.#set(step === "asking" ? { step, fault: null } : { step });
      return await line.pair(this.#pending, onStep, signal);
    } finally {
      clearTimeout(lapse);
    }
  }

  #isWanted(): boolean {
    return this.#isCodeGood() && this.#session.host?.online === true && this.#state.peek().problem === null;
  }

  #isCodeGood(): boolean {
    const { code, tries, max_tries } = this.#session;
    return this.#pending.slot === code && tries < max_tries && secondsLeft(this.#pending, Date.now()) > 0;
  }

  #set(part: Partial<PairingState>): void {
    this.#state.value = { ...this.#state.peek(), ...part };
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }

  #changed(): void {
    this.#wake();
  }
}
