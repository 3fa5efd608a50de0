/** The last 24 hours of the computer's load, and what has come since the page was opened. Pure. */
import { RemoteProtocolError } from "../protocol/errors";

export const COLUMNS = ["cpu", "memory", "disk_read", "disk_written", "received", "sent"] as const;
export type ColumnName = (typeof COLUMNS)[number];

/** What was measured at a moment. */
export type Sample = Readonly<Record<ColumnName, number>>;

/** Of a column that the host tells. */
export const MAX_VALUES = 8640;
/** Seconds of the live samples that are kept one by one. */
const LIVE_SECONDS = 300;

/** What a chart draws: seconds since 1970, and for each line a value or null for a gap. */
export interface Series {
  readonly times: number[];
  readonly values: (number | null)[][];
}

export class Ring {
  #columns = new Map<ColumnName, (number | null)[]>();
  #beganAt = 0;
  #step = 10;
  #live: { at: number; sample: Sample }[] = [];
  /** Of the slot under way: its number, and what was measured in it. */
  #slot = -1;
  #inSlot: Sample[] = [];

  /** Takes a part of a column. @throws RemoteProtocolError if there is no such column, or it has too many values. */
  fill(name: string, values: readonly unknown[]): void {
    const column = COLUMNS.find((known) => known === name);
    if (column === undefined || values.length === 0) throw new RemoteProtocolError("There is no such column.");
    const known = this.#columns.get(column) ?? [];
    if (known.length + values.length > MAX_VALUES) throw new RemoteProtocolError("A column is too long.");
    for (const value of values) known.push(typeof value === "number" && Number.isFinite(value) ? value : null);
    this.#columns.set(column, known);
  }

  /** All columns were told: `beganAt` is the first value's time, `step` the seconds from one to the next. */
  begin(beganAt: number, step: number): void {
    this.#beganAt = beganAt;
    this.#step = step;
  }

  /** Adds what was measured now, at seconds since 1970 that never go back. */
  add(at: number, sample: Sample): void {
    this.#live.push({ at, sample });
    while ((this.#live[0]?.at ?? at) < at - LIVE_SECONDS) this.#live.shift();
    const slot = Math.floor((at - this.#beganAt) / this.#step);
    if (slot !== this.#slot) this.#finishSlot();
    this.#slot = Math.floor((at - this.#beganAt) / this.#step);
    this.#inSlot.push(sample);
  }

  /** Slots that passed without a measurement are gaps. */
  #finishSlot(): void {
    const samples = this.#inSlot.splice(0);
    const length = this.#columns.get("cpu")?.length ?? 0;
    const missed = this.#slot - length;
    if (samples.length === 0 || missed < 0) return; // the computer has told this one
    const gap = Array<null>(Math.min(missed, MAX_VALUES)).fill(null);
    const over = Math.max(0, length + gap.length + 1 - MAX_VALUES);
    for (const name of COLUMNS) {
      const mean = samples.reduce((sum, each) => sum + each[name], 0) / samples.length;
      const column = [...(this.#columns.get(name) ?? []), ...gap, mean];
      this.#columns.set(name, column.slice(over));
    }
    // A gap that is longer than all was cut.
    this.#beganAt += (over + missed - gap.length) * this.#step;
  }

  /** The last `seconds` of some columns. Live samples take the place of the last slots in the shortest range. */
  series(names: readonly ColumnName[], seconds: number, now: number): Series {
    const from = now - seconds;
    const firstLive = seconds <= LIVE_SECONDS ? (this.#live[0]?.at ?? Infinity) : Infinity;
    const length = this.#columns.get(names[0] ?? "cpu")?.length ?? 0;
    const first = Math.max(0, Math.ceil((from - this.#beganAt) / this.#step));
    const times: number[] = [];
    const values: (number | null)[][] = names.map(() => []);
    for (let slot = first; slot < length; slot++) {
      const at = this.#beganAt + slot * this.#step;
      if (at + this.#step > firstLive) break;
      times.push(at);
      names.forEach((name, line) => values[line]?.push(this.#columns.get(name)?.[slot] ?? null));
    }
    if (firstLive !== Infinity) {
      for (const { at, sample } of this.#live) {
        // A second without news is a second; more is a gap.
        if (at - (times.at(-1) ?? at) > 3 * Math.max(1, at === firstLive ? this.#step : 1)) {
          times.push(at - 0.5);
          values.forEach((line) => line.push(null));
        }
        times.push(at);
        names.forEach((name, line) => values[line]?.push(sample[name]));
      }
    }
    return { times, values };
  }
}
