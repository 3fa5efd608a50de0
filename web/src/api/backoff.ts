/**
 * When to try again: full jitter (SECURITY: 0.5 s → 60 s), so that a relay that comes back is not met by everybody at
 * once. A delay is uniform between 0 and what was waited so far (at least 0.5 s, at most 60 s), but never below 100 ms: so
 * a page is back at the latest when about as much time again has passed as the relay was away.
 */

export interface BackoffSettings {
  /** Upper bound of the first delay, seconds. */
  readonly first: number;
  /** Upper bound of every delay, seconds. */
  readonly most: number;
  /** No delay is shorter, seconds. */
  readonly least: number;
}

export const BACKOFF: BackoffSettings = { first: 0.5, most: 60, least: 0.1 };

export class Backoff {
  #waited = 0;

  constructor(
    private readonly settings: BackoffSettings = BACKOFF,
    private readonly random: () => number = Math.random,
  ) {}

  /** Seconds to wait before the next try; they count as waited. */
  next(): number {
    const bound = Math.min(this.settings.most, Math.max(this.settings.first, this.#waited));
    const delay = Math.max(this.settings.least, this.random() * bound);
    this.#waited += delay;
    return delay;
  }

  /** The try worked: begin again with short delays. */
  reset(): void {
    this.#waited = 0;
  }
}

/** The relay asked to come back within some seconds (`move`): a random time of them. */
export function spreadWithin(seconds: number, random: () => number = Math.random): number {
  return random() * Math.max(0, Math.min(seconds, 60));
}

/**
 * Waits, but not longer than necessary: coming back online or bringing the page to the front ends the wait early.
 *
 * @throws the signal's reason if it is aborted.
 */
export function waitToRetry(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const wake = (): void => finish(resolve);
    const seen = (): void => {
      if (document.visibilityState === "visible") wake();
    };
    const abort = (): void => finish(() => reject(signal.reason as Error));
    const timer = setTimeout(wake, seconds * 1000);
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", seen);
      signal.removeEventListener("abort", abort);
      settle();
    };
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", abort);
  });
}
