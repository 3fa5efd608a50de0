/**
 * When to try again: full jitter (SECURITY: 0.5 s → 60 s), so that a relay that comes back is not met by everybody at
 * once. The delay before try n is uniform between 0 and min(60, 0.5 · 2ⁿ) seconds, but never below 100 ms.
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
  #failures = 0;

  constructor(
    private readonly settings: BackoffSettings = BACKOFF,
    private readonly random: () => number = Math.random,
  ) {}

  /** Seconds to wait before the next try; each call counts one more failure. */
  next(): number {
    const bound = Math.min(this.settings.most, this.settings.first * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.max(this.settings.least, this.random() * bound);
  }

  /** The try worked: begin again with short delays. */
  reset(): void {
    this.#failures = 0;
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
