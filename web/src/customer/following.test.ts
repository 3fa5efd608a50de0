import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiProblem, Unreachable, api } from "../api/client";
import type { LinkFacts } from "../api/types";
import { follow, pauseAfter } from "./following";

const facts = (step: LinkFacts["step"]) => ({ state: "open", step }) as LinkFacts;
const page = { visibilityState: "visible" };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", page);
  page.visibilityState = "visible";
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("a page that was just opened asks often, an old one seldom", () => {
  expect([0, 600_000, 86_400_000].map(pauseAfter)).toEqual([3000, 6000, 30_000]);
});

test("each answer is told; a relay out of reach is asked again; a dead link ends it", async () => {
  const ask = vi.spyOn(api, "link").mockResolvedValueOnce(facts("started")).mockRejectedValueOnce(new Unreachable());
  ask.mockResolvedValueOnce(facts("waiting_code")).mockRejectedValue(new ApiProblem(404, "No."));
  const told: unknown[] = [];
  follow("A", (found) => told.push(found?.step ?? null));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told).toEqual(["started", "waiting_code", null]);
  expect(ask).toHaveBeenCalledTimes(4);
});

test("nobody asks while nobody looks, nor after it was stopped", async () => {
  const ask = vi.spyOn(api, "link").mockResolvedValue(facts(""));
  page.visibilityState = "hidden";
  const stop = follow("A", () => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).not.toHaveBeenCalled();
  page.visibilityState = "visible";
  await vi.advanceTimersByTimeAsync(4000);
  expect(ask).toHaveBeenCalledOnce();
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ask).toHaveBeenCalledOnce();
});
