import { expect, test } from "vitest";
import { ratesBetween } from "./statistics";

test("rates are differences over time", () => {
  const rates = ratesBetween({ at: 1000, bytes: 500, updates: 10 }, { at: 3000, bytes: 4500, updates: 60 });
  expect(rates).toEqual({ bytesPerSecond: 2000, updatesPerSecond: 25 });
});

test("a new stream, or the same moment, has no rate yet", () => {
  const none = { bytesPerSecond: 0, updatesPerSecond: 0 };
  expect(ratesBetween({ at: 0, bytes: 900, updates: 9 }, { at: 1000, bytes: 10, updates: 1 })).toEqual(none);
  expect(ratesBetween({ at: 5, bytes: 0, updates: 0 }, { at: 5, bytes: 10, updates: 1 })).toEqual(none);
});
