/**
 * What one side lets the other send on a stream (docs/protocol.md §2, "Credit"): grants again what was consumed, as
 * much as the path asks for. The same as `ReceiveWindow` in `relay/protocol/streams.py`, which has the theory.
 */
import { CloseReason } from "../protocol/closeReasons";
import { RemoteProtocolError } from "../protocol/errors";

export const INITIAL_WINDOW_BYTES = 256 * 1024;
export const MAX_WINDOW_BYTES = 8 * 1024 * 1024;
/** By which the windows of one connection exceed their first sizes, all together. */
export const MAX_GROWTH_BYTES = 16 * 1024 * 1024;

/** What a round trip counts at least: programs on the way wait for their turn. */
export const LEAST_ROUND_TRIP_MS = 2;

/** By what a window grows, by what its turn took beyond one round trip, at most, in round trips. */
const GROWTH: readonly (readonly [most: number, factor: number])[] = [
  [1 / 8, 8],
  [1 / 4, 4],
  [1, 2],
];
/** Round trips beyond which a turn says that the window holds more than the path needs. */
const SLOW_TURN = 3;

/** What the windows of one connection may grow by: an amount to take from and give back to. */
export class GrowthAllowance {
  left = MAX_GROWTH_BYTES;

  /** As much of `wanted` as is left. */
  take(wanted: number): number {
    const taken = Math.min(wanted, this.left);
    this.left -= taken;
    return taken;
  }

  giveBack(amount: number): void {
    this.left += amount;
  }
}

/** `now` is any monotonic clock, always the same one. */
export class ReceiveWindow {
  /** The smallest time from a grant to the first frame that needed it. */
  roundTrip = Infinity;
  #size = INITIAL_WINDOW_BYTES;
  #outstanding = INITIAL_WINDOW_BYTES;
  #consumed = 0;
  #allowance: GrowthAllowance | null;
  // The measurement under way: of a grant made at #askedAt, before which #unasked bytes could be sent.
  #askedAt = -Infinity;
  #unasked = -1;
  // The turn under way: consumed since #turnAt, which is a grant. The one before it took #took.
  #turnAt = -Infinity;
  #turnBytes = 0;
  #took = 0;

  /** `allowance`: what it may grow by; null for a window that never grows. */
  constructor(allowance: GrowthAllowance | null) {
    this.#allowance = allowance;
  }

  /** Bytes that may be outstanding at a time. */
  get size(): number {
    return this.#size;
  }

  /** OPEN leaves with the first credit. */
  grantedFirst(now: number): void {
    this.#askedAt = now;
    this.#unasked = 0;
    this.#turnAt = now;
  }

  /** The other side has seen the first credit: its ACCEPT is there, and what we ask for can come. */
  answeredFirst(now: number): void {
    if (this.#unasked < 0) return;
    this.#endMeasurement(now);
    this.#turnAt = now;
  }

  #endMeasurement(now: number): void {
    this.roundTrip = Math.min(this.roundTrip, now - this.#askedAt);
    this.#unasked = -1;
  }

  /** A DATA frame of this many bytes arrived. @throws RemoteProtocolError with CREDIT_EXCEEDED. */
  received(frameBytes: number, now: number): void {
    if (frameBytes > this.#outstanding) {
      throw new RemoteProtocolError("More was sent than was allowed.", CloseReason.CREDIT_EXCEEDED);
    }
    this.#outstanding -= frameBytes;
    if (this.#unasked < 0) return;
    if (frameBytes > this.#unasked) this.#endMeasurement(now);
    else this.#unasked -= frameBytes;
  }

  /** A received frame was used up; gives the credit to send now, 0 for none yet. */
  consumed(frameBytes: number, now: number): number {
    this.#consumed += frameBytes;
    if (this.#consumed * (this.#allowance === null ? 2 : 4) < this.#size) return 0;
    let grant = this.#consumed;
    this.#consumed = 0;
    if (this.#allowance !== null) {
      grant += this.#endTurn(grant, this.#allowance, now);
      if (grant > 0 && this.#unasked < 0) {
        this.#askedAt = now;
        this.#unasked = this.#outstanding;
      }
    }
    this.#outstanding += grant;
    return grant;
  }

  /** The stream is closed: what it grew by is others' again. */
  end(): void {
    this.#allowance?.giveBack(this.#size - INITIAL_WINDOW_BYTES);
    this.#allowance = null;
  }

  /** By how much to grow now that this much more was consumed; below 0, by how much to shrink. */
  #endTurn(consumed: number, allowance: GrowthAllowance, now: number): number {
    this.#turnBytes += consumed;
    if (this.#turnBytes < this.#size) return 0;
    const before = this.#took;
    const took = now - this.#turnAt;
    this.#turnAt = now;
    this.#turnBytes = 0;
    this.#took = took;
    if (this.roundTrip === Infinity) return 0;
    const roundTrip = Math.max(this.roundTrip, LEAST_ROUND_TRIP_MS);
    const limit = SLOW_TURN * roundTrip;
    let factor = 1;
    if (before <= limit) {
      const beyond = took / roundTrip - 1;
      factor = GROWTH.find(([most]) => beyond < most)?.[1] ?? 1;
      if (roundTrip > this.roundTrip) factor = Math.min(factor, 2); // not measured: it proves no more than that
    } else if (took > limit) {
      const shrinking = Math.min(consumed, this.#size - INITIAL_WINDOW_BYTES);
      allowance.giveBack(shrinking);
      this.#size -= shrinking;
      return -shrinking;
    }
    const growth = allowance.take(Math.min((factor - 1) * this.#size, MAX_WINDOW_BYTES - this.#size));
    this.#size += growth;
    return growth;
  }
}
