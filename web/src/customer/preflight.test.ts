import { afterEach, expect, test, vi } from "vitest";
import type { HostFile } from "../api/types";
import { clockSkew, findObstacles } from "./preflight";

const LINUX = { userAgent: "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0" };
const hosts = [{ target: "linux", machine: "x86_64" } as HostFile];
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
  expect(await findObstacles({ now: NOW, hosts }, LINUX, "https://relay.example", AT)).toEqual([]);
  expect(Socket.opened).toEqual(["wss://relay.example/tunnel/viewer adhoc.v1"]);
});

test.each(["error", "silence"] as const)("a network that answers a WebSocket with %s is in the way", async (answer) => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  Socket.answer = answer;
  const found = findObstacles({ now: NOW, hosts }, { userAgent: "Windows NT 10.0" }, "http://127.0.0.1:8080", AT + 3_600_000);
  await vi.runAllTimersAsync();
  expect(await found).toEqual([{ kind: "clock", minutes: 60 }, { kind: "network" }, { kind: "system", system: "windows" }]);
});

test("a Windows that is too old is told as that, whatever there is to download", async () => {
  vi.stubGlobal("WebSocket", Socket);
  Socket.answer = "open";
  const browser = { userAgent: "Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0)" };
  const offered = [{ target: "windows", machine: "x86_64" } as HostFile];
  expect(await findObstacles({ now: NOW, hosts: offered }, browser, "https://relay.example", AT)).toEqual([{ kind: "old_system" }]);
});
