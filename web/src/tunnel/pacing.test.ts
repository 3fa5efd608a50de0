import { describe, expect, it } from "vitest";
import { MAX_RECORD_BYTES, MAX_UNSENT_BYTES, MIN_UNSENT_BYTES, RecordSize, UnsentLimit } from "./pacing";

describe("records", () => {
  it.each([
    ["a slow", 100, 8 * 1024],
    ["a middling", 8000, 32_000],
    ["a fast", 100_000, MAX_RECORD_BYTES],
  ])("are what %s path carries in a moment", (_name, bytesPerMs, expected) => {
    const records = new RecordSize();
    let size = 0;
    for (let now = 0; now < 2000; now += size / bytesPerMs) size = records.take(1e9, now);
    expect(size / expected).toBeGreaterThan(0.85);
    expect(size / expected).toBeLessThan(1.15);
  });

  it("are never larger than what there is", () => {
    const records = new RecordSize();
    expect([records.take(10, 0), records.take(0, 1)]).toEqual([10, 0]);
  });
});

describe("the limit of what is unsent", () => {
  it("follows what the socket gets rid of, between bounds", () => {
    const limit = new UnsentLimit();
    expect(limit.bytes).toBe(MIN_UNSENT_BYTES);
    limit.drained(40_000, 4);
    expect(limit.bytes).toBe(80_000);
    limit.drained(4_000_000, 4);
    expect(limit.bytes).toBe(MAX_UNSENT_BYTES);
    limit.drained(0, 4);
    expect(limit.bytes).toBe(MIN_UNSENT_BYTES);
  });
});
