/** The link's quality, from counters that only grow. Pure. */

/** A moment of the counters. */
export interface Sample {
  /** Milliseconds of a clock that does not jump. */
  readonly at: number;
  readonly bytes: number;
  readonly updates: number;
}

export interface Rates {
  readonly bytesPerSecond: number;
  readonly updatesPerSecond: number;
}

/** What happened between two samples; nothing if they belong to different streams or to one moment. */
export function ratesBetween(before: Sample, after: Sample): Rates {
  const seconds = (after.at - before.at) / 1000;
  if (seconds <= 0 || after.bytes < before.bytes || after.updates < before.updates) {
    return { bytesPerSecond: 0, updatesPerSecond: 0 };
  }
  return {
    bytesPerSecond: (after.bytes - before.bytes) / seconds,
    updatesPerSecond: (after.updates - before.updates) / seconds,
  };
}
