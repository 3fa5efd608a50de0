/**
 * How much of files is under way at a time, so that a click never waits long behind them: `RecordSize` cuts them into
 * pieces that each leg carries in a moment, `UnsentLimit` holds them back while the browser still has some to send.
 *
 * `now` is any monotonic clock in milliseconds, always the same one. The first is `RecordSize` of
 * `relay/protocol/batching.py`; the second takes the place of its `BatchSize`, since a page cannot choose what a
 * WebSocket hands to the kernel, but sees what it has not handed on yet.
 */
const PIECE_MS = 4;
const RATE_INTERVAL_MS = 500;
const MIN_PIECE_BYTES = 8 * 1024;
export const MAX_RECORD_BYTES = 64 * 1024;
export const MIN_UNSENT_BYTES = 32 * 1024;
export const MAX_UNSENT_BYTES = 1024 * 1024;
/** Between two looks at what is unsent; browsers round shorter times up to 4 ms. */
export const LOOK_AGAIN_MS = 4;

/** Into what pieces a stream's data is cut, by the rate at which credit lets it go. */
export class RecordSize {
  #since = -Infinity;
  #bytes = 0;
  #size = MIN_PIECE_BYTES;

  /** The size of the next piece of `left` bytes. */
  take(left: number, now: number): number {
    const elapsed = now - this.#since;
    if (elapsed >= RATE_INTERVAL_MS) {
      const wanted = Math.floor((this.#bytes / elapsed) * PIECE_MS);
      this.#size = Math.max(MIN_PIECE_BYTES, Math.min(wanted, MAX_RECORD_BYTES));
      this.#since = now;
      this.#bytes = 0;
    }
    const taken = Math.min(left, this.#size);
    this.#bytes += taken;
    return taken;
  }
}

/** How much may be unsent when more of files is added: what the socket got rid of lately in two such moments. */
export class UnsentLimit {
  #limit = MIN_UNSENT_BYTES;

  get bytes(): number {
    return this.#limit;
  }

  /** In `elapsed` milliseconds the socket got rid of `drained` bytes, as far as it had any. */
  drained(drained: number, elapsed: number): void {
    const wanted = (drained / Math.max(elapsed, 1)) * 2 * PIECE_MS;
    this.#limit = Math.max(MIN_UNSENT_BYTES, Math.min(wanted, MAX_UNSENT_BYTES));
  }
}
