import { afterEach, expect, test, vi } from "vitest";
import { clockSkew, findObstacles, systemOf } from "./preflight";

const LINUX = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0" };
const NOW = "2026-01-01T12:00:00.000Z";
const AT = Date.parse(NOW);

class Socket {
  static readonly opened: string[] = [];
  static answer: "open" | "error" | "silence" = "open";
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: (() => void) | null = null;
  constructor(url: string, protocol: string) {
    Socket.opened.push(`${url} ${protocol}`);
    const answer = Socket.answer;
    if (answer !== "silence") queueMicrotask(() => (answer === "open" ? this.onopen?.() : this.onerror?.()));
  }
  close(): void {
    this.onclose?.();
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  Socket.opened.length = 0;
});

test.each([
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64)", "windows"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "mac"],
  ["Mozilla/5.0 (X11; Linux x86_64)", "linux"],
  ["Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)", "other"],
  ["", "other"],
])("%s is %s", (userAgent, system) => {
  expect(systemOf(userAgent)).toBe(system);
});

test.each([
  [0, 0],
  [5 * 60_000, 0],
  [5 * 60_000 + 1, 5],
  [-3 * 3_600_000, 180],
])("a clock that is %d ms off is wrong by %d minutes", (off, minutes) => {
  expect(clockSkew(NOW, AT + off)).toBe(minutes);
});

test("nothing is in the way of a computer that reaches the relay", async () => {
  vi.stubGlobal("WebSocket", Socket);
  Socket.answer = "open";
  expect(await findObstacles({ now: NOW }, LINUX, "https://relay.example", AT)).toEqual([]);
  expect(Socket.opened).toEqual(["wss://relay.example/tunnel/viewer adhoc.v1"]);
});

test.each(["error", "silence"] as const)("a network that answers a WebSocket with %s is in the way", async (answer) => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  Socket.answer = answer;
  const found = findObstacles({ now: NOW }, { userAgent: "Windows NT 10.0" }, "http://127.0.0.1:8080", AT + 3_600_000);
  await vi.runAllTimersAsync();
  expect(await found).toEqual([{ kind: "clock", minutes: 60 }, { kind: "network" }, { kind: "system", system: "windows" }]);
});
