import { describe, expect, it } from "vitest";
import { GrowthAllowance, INITIAL_WINDOW_BYTES, MAX_GROWTH_BYTES, MAX_WINDOW_BYTES, ReceiveWindow } from "./receiveWindow";

const FRAME_BYTES = 65_566;
const MBIT = 125; // bytes a millisecond

interface Path {
  /** Bytes a millisecond, of the path and of the consumer. */
  rate: number;
  consumedPerMs?: number;
  roundTripMs: number;
}

/** Lets a sender that always has more fill `window` over a path for a while; gives the bytes consumed. */
function run(window: ReceiveWindow, path: Path, milliseconds: number): number {
  type Arrival = { at: number; kind: "data" | "consumed" | "credit"; amount: number };
  const events: Arrival[] = [];
  let [credit, pathFree, consumerFree, consumed] = [INITIAL_WINDOW_BYTES, 0, 0, 0];
  const add = (event: Arrival): void => {
    const index = events.findIndex((other) => other.at > event.at);
    events.splice(index < 0 ? events.length : index, 0, event);
  };
  const send = (now: number): void => {
    for (; credit >= FRAME_BYTES; credit -= FRAME_BYTES) {
      pathFree = Math.max(pathFree, now) + FRAME_BYTES / path.rate;
      add({ at: pathFree + path.roundTripMs / 2, kind: "data", amount: FRAME_BYTES });
    }
  };
  window.grantedFirst(-path.roundTripMs);
  window.answeredFirst(0);
  send(0);
  for (let event = events.shift(); event !== undefined && event.at <= milliseconds; event = events.shift()) {
    const { at, kind, amount } = event;
    if (kind === "data") {
      window.received(amount, at);
      consumerFree = Math.max(consumerFree, at) + amount / (path.consumedPerMs ?? Infinity);
      add({ at: consumerFree, kind: "consumed", amount });
    } else if (kind === "consumed") {
      consumed += amount;
      const grant = window.consumed(amount, at);
      if (grant > 0) add({ at: at + path.roundTripMs / 2, kind: "credit", amount: grant });
    } else {
      credit += amount;
      expect(credit).toBeLessThanOrEqual(MAX_WINDOW_BYTES);
      send(at);
    }
  }
  return consumed;
}

describe("a window", () => {
  it.each([
    [20, 10],
    [20, 150],
    [100, 10],
    [100, 50],
    [100, 150],
  ])("grows until a path of %i Mbit/s and %i ms is full, and no further", (mbit, roundTripMs) => {
    const path = { rate: mbit * MBIT, roundTripMs };
    const window = new ReceiveWindow(new GrowthAllowance());
    const consumed = run(window, path, 10_000);
    expect(consumed / path.rate / 10_000).toBeGreaterThan(0.85);
    expect(window.size).toBeLessThanOrEqual(Math.max(INITIAL_WINDOW_BYTES, 4 * path.rate * roundTripMs));
    expect(window.roundTrip).toBeCloseTo(roundTripMs, 6);
  });

  it.each([
    [105, 8],
    [120, 4],
    [190, 2],
    [210, 1],
  ])("grows after a turn of %i hundredths of a round trip to %i times its size", (took, factor) => {
    const window = new ReceiveWindow(new GrowthAllowance());
    window.grantedFirst(0);
    window.answeredFirst(100);
    window.received(INITIAL_WINDOW_BYTES, 100 + took);
    expect(window.consumed(INITIAL_WINDOW_BYTES, 100 + took)).toBe(factor * INITIAL_WINDOW_BYTES);
  });

  it("shrinks by a quarter after two slow turns, and not below its first size", () => {
    const allowance = new GrowthAllowance();
    const window = new ReceiveWindow(allowance);
    let now = 100;
    window.grantedFirst(0);
    window.answeredFirst(now);
    /** All that may come, at once and after so long. */
    const sizeAfter = (milliseconds: number): number => {
      now += milliseconds;
      const quarter = window.size / 4;
      for (let part = 0; part < 4; part++) {
        window.received(quarter, now);
        window.consumed(quarter, now);
      }
      return window.size / INITIAL_WINDOW_BYTES;
    };
    expect(sizeAfter(105)).toBe(8);
    expect([sizeAfter(350), sizeAfter(100), sizeAfter(350), sizeAfter(350), sizeAfter(250)]).toEqual([8, 8, 8, 6, 6]);
    expect(allowance.left).toBe(MAX_GROWTH_BYTES - 5 * INITIAL_WINDOW_BYTES);
    for (let turn = 0; turn < 20; turn++) sizeAfter(1000);
    expect(window.size).toBe(INITIAL_WINDOW_BYTES);
    expect(allowance.left).toBe(MAX_GROWTH_BYTES);
  });

  it("that is too small for what two milliseconds carry only doubles", () => {
    const window = new ReceiveWindow(new GrowthAllowance());
    window.grantedFirst(0);
    window.answeredFirst(0.5);
    window.received(INITIAL_WINDOW_BYTES, 2.5);
    expect(window.consumed(INITIAL_WINDOW_BYTES, 2.5)).toBe(2 * INITIAL_WINDOW_BYTES);
  });

  it("stops at its cap", () => {
    const window = new ReceiveWindow(new GrowthAllowance());
    run(window, { rate: 1000 * MBIT, roundTripMs: 150 }, 5000);
    expect(window.size).toBe(MAX_WINDOW_BYTES);
  });

  it("does not grow because the consumer is slow", () => {
    const window = new ReceiveWindow(new GrowthAllowance());
    run(window, { rate: 1000 * MBIT, roundTripMs: 50, consumedPerMs: INITIAL_WINDOW_BYTES / 110 }, 20_000);
    expect(window.size).toBe(INITIAL_WINDOW_BYTES);
  });

  it("without an allowance stays as it was", () => {
    const window = new ReceiveWindow(null);
    run(window, { rate: 100 * MBIT, roundTripMs: 150 }, 5000);
    expect(window.size).toBe(INITIAL_WINDOW_BYTES);
  });

  it("shares what it may grow by with the others of its connection", () => {
    const allowance = new GrowthAllowance();
    const windows = [1, 2, 3, 4].map(() => new ReceiveWindow(allowance));
    for (const window of windows) run(window, { rate: 1000 * MBIT, roundTripMs: 150 }, 5000);
    const grown = windows.map((window) => window.size - INITIAL_WINDOW_BYTES);
    expect(grown.reduce((sum, one) => sum + one)).toBe(MAX_GROWTH_BYTES);
    for (const window of [...windows, ...windows]) window.end();
    expect(allowance.left).toBe(MAX_GROWTH_BYTES);
  });
});
