import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiProblem, Unreachable, api } from "../api/client";
import type { Session } from "../api/types";
import { CloseReason } from "../protocol/closeReasons";
import { StreamClosed } from "../tunnel/streams";
import { ToolConnection } from "./connection";

/** The relay and the host behind it, as the fakes below are told to play them. */
const world = vi.hoisted(() => ({
  clients: [] as { close: (reason?: unknown) => void; end: (reason: unknown) => void; tell: (notice: object) => void }[],
  streams: [] as { end: (reason: unknown) => void; password: string }[],
  isHostOnline: true,
  rightPassword: "right",
  refusal: null as unknown,
  key: null as Uint8Array | null,
}));

vi.mock("../keeping/pairingKeys", () => ({
  loadPairingKey: () => Promise.resolve(world.key),
  storePairingKey: () => Promise.resolve(),
  removePairingKey: () => Promise.resolve(),
}));

vi.mock("../tunnel/client", () => ({
  TunnelClient: class {
    closeReason: unknown = null;
    #handlers: Record<string, ((value: unknown) => void)[]> = {};

    constructor() {
      world.clients.push({ close: (r) => this.close(r), end: (r) => this.close(r), tell: (n) => this.#emit("notice", n) });
    }
    on(event: string, handler: (value: unknown) => void): void {
      (this.#handlers[event] ??= []).push(handler);
    }
    #emit(event: string, value: unknown): void {
      for (const handler of this.#handlers[event] ?? []) handler(value);
    }
    whenWelcome() {
      return Promise.resolve({ hostOnline: world.isHostOnline, now: Date.now() / 1000 });
    }
    close(reason: unknown = "normal"): void {
      if (this.closeReason !== null) return;
      this.closeReason = reason;
      for (const stream of world.streams) stream.end(reason);
      this.#emit("closed", reason);
    }
  },
}));

vi.mock("../tunnel/sealedChannel", () => ({
  connectChannel: (_client: unknown, _channel: string, { accessPassword }: { accessPassword: string }) => {
    if (accessPassword !== world.rightPassword) {
      return Promise.reject(new StreamClosed((world.refusal as CloseReason | null) ?? CloseReason.WRONG_PASSWORD));
    }
    let end: (reason: unknown) => void = () => undefined;
    const closed = new Promise((resolve) => (end = resolve));
    world.streams.push({ end, password: accessPassword });
    return Promise.resolve({ closed });
  },
}));

const ACTIVE = { id: "s", state: "active", end_reason: null } as unknown as Session;

let control: ToolConnection;
let shown: number;
let stop: AbortController;
let isSignedOut: boolean;
const kept = new Map<string, string>();
const sessionOf = (items: Map<string, string>) => ({
  getItem: (name: string) => items.get(name) ?? null,
  setItem: (name: string, value: string) => void items.set(name, value),
  removeItem: (name: string) => void items.delete(name),
});
const kind = (): string => control.state.value.kind;
const settle = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
const ticket = vi.spyOn(api, "ticket");
const session = vi.spyOn(api, "session");
const wrappedKey = vi.spyOn(api, "wrappedKey");

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("location", { origin: "https://relay.example" });
  vi.stubGlobal("document", { addEventListener: () => undefined, removeEventListener: () => undefined });
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
  Object.assign(world, { clients: [], streams: [], isHostOnline: true, key: new Uint8Array(32), rightPassword: "right", refusal: null });
  ticket.mockReset().mockResolvedValue({ ticket: "A".repeat(43), url: "wss://relay.example/tunnel/viewer", expires_at: "" });
  session.mockReset().mockResolvedValue({ session: ACTIVE, now: new Date().toISOString() });
  wrappedKey.mockReset().mockResolvedValue({ wrapped: null });
  kept.clear();
  shown = 0;
  isSignedOut = false;
  const display = { show: () => void (shown += 1), clear: () => undefined };
  control = new ToolConnection("s", "control", display, sessionOf(kept), () => (isSignedOut = true));
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort(new DOMException("test over", "AbortError"));
  await settle();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const start = async (): Promise<void> => {
  void control.run(stop.signal);
  await settle();
};

const connect = async (password = "right", isKept = false): Promise<void> => {
  await start();
  control.usePassword(password, isKept);
  await settle();
  control.showed();
};

describe("a tool's connection", () => {
  test("asks for the password before it takes a ticket, and connects with it", async () => {
    await start();
    expect([kind(), ticket.mock.calls.length]).toEqual(["password", 0]);
    control.usePassword("right", false);
    await settle();
    expect([kind(), shown]).toEqual(["securing", 1]);
    control.showed();
    expect([kind(), kept.size]).toEqual(["connected", 0]);
  });

  test("a reason is asked for where it is wanted, also with a kept password, and goes with the ticket", async () => {
    kept.set("adhoc.password.s", "right");
    control = new ToolConnection("s", "control", { show: () => void (shown += 1), clear: () => undefined }, sessionOf(kept), () => undefined, true);
    await start();
    expect([kind(), ticket.mock.calls.length]).toEqual(["password", 0]);
    control.usePassword("right", true, "printer");
    await settle();
    expect([ticket.mock.calls, shown]).toEqual([[["s", ["control", "chat"], "printer"]], 1]);
  });

  test("a reason that is wanted all of a sudden is asked for", async () => {
    ticket.mockRejectedValueOnce(new ApiProblem(422, "Say why.", null, null, new Map([["reason", "Say why."]])));
    await start();
    control.usePassword("right", false);
    await settle();
    expect([kind(), control.needsReason.value]).toEqual(["password", true]);
    control.usePassword("right", false, "printer");
    await settle();
    expect(ticket.mock.lastCall).toEqual(["s", ["control", "chat"], "printer"]);
  });

  test("whoever may not connect is told so", async () => {
    ticket.mockRejectedValueOnce(new ApiProblem(403, "No."));
    await start();
    control.usePassword("right", false);
    await settle();
    expect(control.state.value).toEqual({ kind: "stopped", title: "viewer_not_allowed", hint: null });
  });

  test("a wrong password is asked for again on the same connection", async () => {
    await connect("wrong", true);
    expect(control.state.value).toEqual({ kind: "password", fault: "wrong_password" });
    expect(kept.size).toBe(0);
    control.usePassword("right", false);
    await settle();
    expect([shown, world.clients.length, ticket.mock.calls.length]).toEqual([1, 1, 1]);
  });

  test("a host that goes away is waited for, and met again by itself", async () => {
    await connect();
    world.clients[0]?.tell({ name: "host_offline" });
    world.streams[0]?.end(CloseReason.HOST_OFFLINE);
    await settle();
    expect([kind(), shown]).toEqual(["host_offline", 1]);
    world.clients[0]?.tell({ name: "host_online" });
    await settle();
    expect([shown, world.clients.length, world.streams[1]?.password]).toEqual([2, 1, "right"]);
  });

  test("a picture that ends by itself is opened again", async () => {
    await connect();
    world.streams[0]?.end(CloseReason.DONE);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([shown, world.clients.length]).toEqual([2, 1]);
  });

  test("a shell that exits is not opened again until the connection is", async () => {
    const display = { show: () => void (shown += 1), clear: () => undefined };
    control = new ToolConnection("s", "shell", display, sessionOf(kept), () => undefined);
    await connect();
    world.streams[0]?.end(CloseReason.DONE);
    await vi.advanceTimersByTimeAsync(10_000);
    expect([kind(), shown, world.streams.length]).toEqual(["connected", 1, 1]);
    world.clients[0]?.end(CloseReason.DEAD);
    await vi.advanceTimersByTimeAsync(1000);
    expect([shown, world.clients.length]).toEqual([2, 2]);
  });

  test("what the customer or the company does not allow is no matter of the plan", async () => {
    world.rightPassword = "none";
    world.refusal = CloseReason.KIND_NOT_GRANTED;
    await connect();
    expect(control.state.value).toEqual({ kind: "stopped", title: "viewer_not_granted", hint: null });
  });

  test("a pause of the customer is told, and over when they go on", async () => {
    await connect();
    world.rightPassword = "none";
    world.refusal = CloseReason.PAUSED;
    world.streams[0]?.end(CloseReason.PAUSED);
    await settle();
    for (let seconds = 0; seconds < 600; seconds += 1) {
      await vi.advanceTimersByTimeAsync(1000);
      expect(control.state.value).toEqual({ kind: "waiting", title: "viewer_paused" });
    }
    world.rightPassword = "right";
    await vi.advanceTimersByTimeAsync(3000);
    control.showed();
    expect([kind(), shown, world.clients.length]).toEqual(["connected", 2, 1]);
  });

  test("a customer who says no is not asked again by itself", async () => {
    await connect();
    world.streams[0]?.end(CloseReason.NOT_ALLOWED);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(control.state.value).toEqual({ kind: "stopped", title: "viewer_customer_refuses", hint: null });
    expect([shown, world.streams.length]).toEqual([1, 1]);
  });

  test("a lost relay is dialled again with a fresh ticket and the same password", async () => {
    await connect();
    world.clients[0]?.end(CloseReason.DEAD);
    await settle();
    expect(kind()).toBe("unreachable");
    await vi.advanceTimersByTimeAsync(1000);
    expect([shown, world.clients.length, ticket.mock.calls.length]).toEqual([2, 2, 2]);
  });

  test("while there is no answer the waits grow, and a press ends them", async () => {
    await connect();
    session.mockRejectedValue(new Unreachable());
    world.clients[0]?.end(CloseReason.DEAD);
    await vi.advanceTimersByTimeAsync(300_000);
    expect(kind()).toBe("unreachable");
    const tries = session.mock.calls.length;
    expect(tries).toBeLessThan(60);
    session.mockResolvedValue({ session: ACTIVE, now: new Date().toISOString() });
    control.reconnect();
    await settle();
    expect([shown, world.clients.length]).toEqual([2, 2]);
  });

  test("a draining relay is left alone for a part of the time it asks for", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await connect();
    world.clients[0]?.tell({ name: "move", within: 10 });
    world.clients[0]?.end(CloseReason.GOING_AWAY);
    await vi.advanceTimersByTimeAsync(4_900);
    expect([kind(), world.clients.length]).toEqual(["unreachable", 1]);
    await vi.advanceTimersByTimeAsync(200);
    expect(world.clients.length).toBe(2);
    vi.mocked(Math.random).mockRestore();
  });

  test.each([
    ["a notice", () => world.clients[0]?.tell({ name: "ended", reason: CloseReason.EXPIRED })],
    ["the connection's close", () => world.clients[0]?.end(CloseReason.EXPIRED)],
  ])("the end of the session, told by %s, is final and forgets the password", async (_, end) => {
    await connect("right", true);
    expect(kept.size).toBe(1);
    end();
    world.clients[0]?.end(CloseReason.EXPIRED);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(control.state.value).toEqual({ kind: "ended", reason: "expired" });
    expect([world.clients.length, kept.size]).toEqual([1, 0]);
  });

  test("a session that is not active yet is waited for", async () => {
    session.mockResolvedValueOnce({ session: { ...ACTIVE, state: "waiting" }, now: "" });
    await start();
    expect(kind()).toBe("not_active");
    await vi.advanceTimersByTimeAsync(2000);
    expect(kind()).toBe("password");
  });

  test("without any pairing key it says so before it asks for a password", async () => {
    world.key = null;
    await start();
    expect(control.state.value).toMatchObject({ kind: "stopped", title: "viewer_no_key" });
  });

  test("an unknown session is said so, and being signed out is passed on", async () => {
    session.mockRejectedValueOnce(new ApiProblem(404, "no"));
    await start();
    expect(control.state.value).toMatchObject({ kind: "stopped", title: "viewer_no_session" });
    session.mockRejectedValueOnce(new ApiProblem(401, "no"));
    await start();
    expect(isSignedOut).toBe(true);
  });
});
