import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CloseReason } from "../protocol/closeReasons";
import { LocalProtocolError } from "../protocol/errors";
import { dataFrameBytes, type Channel, type Fields, type Frame } from "../protocol/frames";
import { fromHex } from "../protocol/testing/vectors";
import { HANDSHAKE_TIMEOUT_MS, MAX_OPEN_STREAMS, type TunnelClient } from "./client";
import type { Notice } from "./notices";
import { LOOK_AGAIN_MS, MIN_UNSENT_BYTES } from "./pacing";
import { INITIAL_WINDOW_BYTES } from "./receiveWindow";
import { StreamClosed, type RawStream } from "./streams";
import { admitted, dialled, TICKET, VIEWER, WELCOME, type FakeSocket } from "./testing/fakes";

const FIRST = VIEWER * 0x1_0000 + 1;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function openStream(
  client: TunnelClient,
  socket: FakeSocket,
  credit = 262_144,
  channel: Channel = "control",
): Promise<RawStream> {
  const opening = client.openStream(channel, () => ({}));
  const { stream } = socket.take("open");
  socket.deliver({ kind: "accept", stream, credit, params: { answer: "yes" } });
  return opening;
}

function data(stream: number, size: number, fill = 0): Frame {
  return { kind: "data", stream, payload: new Uint8Array(size).fill(fill) };
}

describe("admission", () => {
  it("begins with HELLO and ends with the relay's welcome", async () => {
    const { client, socket } = dialled();
    const welcome = client.whenWelcome();
    socket.open();
    expect(socket.binaryType).toBe("arraybuffer");
    expect(socket.sent).toEqual([
      { kind: "hello", version: 1, role: "viewer", secret: TICKET, about: { program: "test" } },
    ]);
    socket.deliver(WELCOME);
    const facts = { viewer: VIEWER, hostOnline: true, kinds: ["control"], expiresAt: 1_800_000_000 };
    expect(await welcome).toMatchObject(facts);
    expect(await client.whenWelcome()).toBe(client.welcome);
  });

  it("fails with the relay's reason", async () => {
    const { client, socket } = dialled();
    const welcome = client.whenWelcome();
    socket.open();
    socket.deliver({ kind: "close", stream: 0, reason: CloseReason.REFUSED });
    await expect(welcome).rejects.toMatchObject({ reason: CloseReason.REFUSED });
    await expect(client.whenWelcome()).rejects.toThrow(StreamClosed);
    expect(socket.closeCode).toBe(CloseReason.REFUSED.wsCode);
  });

  it("does not wait for ever", () => {
    const { client, socket } = dialled();
    socket.open();
    vi.advanceTimersByTime(HANDSHAKE_TIMEOUT_MS);
    expect(client.closeReason).toBe(CloseReason.HANDSHAKE_TIMEOUT);
  });

  it("needs the subprotocol", () => {
    const { client, socket } = dialled();
    socket.protocol = "";
    socket.open();
    expect(client.closeReason).toBe(CloseReason.BAD_VERSION);
    expect(socket.sent.some((frame) => frame.kind === "hello")).toBe(false);
  });

  it("is waited for before a stream is opened", async () => {
    await expect(dialled().client.openStream("control", () => ({}))).rejects.toThrow(LocalProtocolError);
  });
});

describe("hostile and confused frames close the connection", () => {
  const cases: [string, Frame | string | ReturnType<typeof fromHex>, CloseReason][] = [
    ["text", "hello", CloseReason.TEXT_MESSAGE],
    ["nothing", new Uint8Array(0), CloseReason.BAD_FRAME],
    ["no msgpack", fromHex("c1c1c1"), CloseReason.BAD_FRAME],
    ["a deep nest", new Uint8Array(16_000).fill(0x91), CloseReason.BAD_FRAME],
    ["a huge declared length", fromHex("dd7fffffff"), CloseReason.BAD_FRAME],
    ["a large notice", new Uint8Array(20_000), CloseReason.TOO_LARGE],
    ["a second welcome", WELCOME, CloseReason.OUT_OF_ORDER],
    ["a HELLO", { kind: "hello", version: 1, role: "host", secret: TICKET, about: {} }, CloseReason.OUT_OF_ORDER],
    ["an OPEN", { kind: "open", stream: FIRST, channel: "chat", credit: 1, params: {} }, CloseReason.OUT_OF_ORDER],
    ["data of no stream", data(FIRST + 7, 1), CloseReason.OUT_OF_ORDER],
    ["data of another viewer", data(FIRST + 0x1_0000, 1), CloseReason.OUT_OF_ORDER],
    ["a notice with a wrong field", { kind: "notice", name: "renewed", fields: { code: "2" } }, CloseReason.BAD_FRAME],
  ];
  it.each(cases)("%s", (_name, message, reason) => {
    const { client, socket } = admitted();
    if (typeof message === "string" || message instanceof Uint8Array) socket.deliverRaw(message);
    else socket.deliver(message);
    expect(client.closeReason).toBe(reason);
    expect(socket.take("close")).toMatchObject({ stream: 0, reason });
    expect(socket.closeCode).toBe(reason.wsCode >= 4000 ? reason.wsCode : CloseReason.BAD_FRAME.wsCode);
  });

  it.each([
    { viewer: "3" },
    { session: null },
    { kinds: "control" },
  ] as Fields[])("a welcome with a wrong field (%#)", (change) => {
    const { client, socket } = dialled();
    socket.open();
    const fields = WELCOME.kind === "welcome" ? { ...WELCOME.fields, ...change } : {};
    socket.deliver({ kind: "welcome", fields });
    expect(client.closeReason).toBe(CloseReason.BAD_FRAME);
  });

  it("anything before the welcome", () => {
    const { client, socket } = dialled();
    socket.open();
    socket.deliver({ kind: "notice", name: "host_offline", fields: {} });
    expect(client.closeReason).toBe(CloseReason.OUT_OF_ORDER);
  });

  it("and whatever comes afterwards is ignored", () => {
    const { client, socket } = admitted();
    socket.deliverRaw("text");
    socket.deliverRaw(new Uint8Array(3));
    expect(client.closeReason).toBe(CloseReason.TEXT_MESSAGE);
  });
});

describe("events", () => {
  it("tell every notice by type, and skip unknown ones", () => {
    const { client, socket } = admitted();
    const seen: Notice[] = [];
    const stop = client.on("notice", (notice) => seen.push(notice));
    const host = { computer: "PC", os: "Linux", user: "eva" };
    const notices: [string, Fields][] = [
      ["host_online", host],
      ["host_offline", {}],
      ["tries", { code: 1, tries: 2, attempts: 2 }],
      ["renewed", { code: 2 }],
      ["active", { expires_at: 9 }],
      ["ended", { reason: "expired" }],
      ["move", { within: 30 }],
      ["from_the_future", { x: 1 }],
    ];
    for (const [name, fields] of notices) socket.deliver({ kind: "notice", name, fields });
    expect(seen).toEqual([
      { name: "host_online", ...host },
      { name: "host_offline" },
      { name: "tries", code: 1, tries: 2, attempts: 2 },
      { name: "renewed", code: 2 },
      { name: "active", expiresAt: 9 },
      { name: "ended", reason: CloseReason.EXPIRED },
      { name: "move", within: 30 },
    ]);
    stop();
    socket.deliver({ kind: "notice", name: "host_offline", fields: {} });
    expect(seen).toHaveLength(7);
  });

  it("tell the end once, with the most telling reason", () => {
    const { client, socket } = admitted();
    const reasons: CloseReason[] = [];
    client.on("closed", (reason) => reasons.push(reason));
    socket.deliver({ kind: "close", stream: 0, reason: CloseReason.EXPIRED });
    socket.drop(CloseReason.EXPIRED.wsCode);
    client.close();
    expect(reasons).toEqual([CloseReason.EXPIRED]);
  });

  it("call a lost connection dead", () => {
    const { client, socket } = admitted();
    socket.drop(1006);
    expect(client.closeReason).toBe(CloseReason.DEAD);
    expect(client.closeReason?.mayReturn).toBe(true);
  });
});

describe("streams", () => {
  it("are opened with ids of their own and the host's params", async () => {
    const { client, socket } = admitted();
    const ids: number[] = [];
    const opening = client.openStream("chat", (id) => {
      ids.push(id);
      return { id };
    });
    expect(socket.take("open")).toEqual({
      kind: "open",
      stream: FIRST,
      channel: "chat",
      credit: INITIAL_WINDOW_BYTES,
      params: { id: FIRST },
    });
    socket.deliver({ kind: "accept", stream: FIRST, credit: 1, params: { answer: "yes" } });
    expect((await opening).params).toEqual({ answer: "yes" });
    expect((await openStream(client, socket)).id).toBe(FIRST + 1);
    expect(ids).toEqual([FIRST]);
  });

  it("carry payloads both ways, in order", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket);
    await stream.send(Uint8Array.of(1, 2));
    expect(socket.take("data")).toEqual({ kind: "data", stream: FIRST, payload: Uint8Array.of(1, 2) });
    socket.deliver(data(FIRST, 1, 5));
    socket.deliver(data(FIRST, 2, 6));
    expect([await stream.receive(), await stream.receive()]).toEqual([Uint8Array.of(5), Uint8Array.of(6, 6)]);
    const later = stream.receive();
    socket.deliver(data(FIRST, 1, 7));
    expect(await later).toEqual(Uint8Array.of(7));
  });

  it("wait for credit, whole frames in their order", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket, dataFrameBytes(100));
    const sent: number[] = [];
    const sends = [60, 50, 1].map((size) => stream.send(new Uint8Array(size)).then(() => sent.push(size)));
    await sends[0];
    expect(sent).toEqual([60]);
    socket.deliver({ kind: "credit", stream: FIRST, amount: 18 }); // one byte short of the next frame
    expect(socket.sent.filter((frame) => frame.kind === "data")).toHaveLength(1);
    socket.deliver({ kind: "credit", stream: FIRST, amount: 1 });
    await sends[1];
    expect(sent).toEqual([60, 50]);
    socket.deliver({ kind: "credit", stream: FIRST, amount: 10 });
    await Promise.all(sends);
    expect(sent).toEqual([60, 50, 1]);
  });

  it("grant credit again at half the window, and only for what was taken", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket);
    const size = 65_000;
    for (let index = 0; index < 4; index += 1) socket.deliver(data(FIRST, size));
    await stream.receive();
    await stream.receive();
    expect(socket.sent).toEqual([]);
    await stream.receive();
    expect(socket.sent).toEqual([{ kind: "credit", stream: FIRST, amount: 3 * dataFrameBytes(size) }]);
    for (let index = 0; index < 3; index += 1) socket.deliver(data(FIRST, size));
    expect(client.closeReason).toBeNull();
  });

  it("close the connection of a sender that exceeds its credit", async () => {
    const { client, socket } = admitted();
    await openStream(client, socket);
    for (let index = 0; index < 5; index += 1) socket.deliver(data(FIRST, 65_000));
    expect(client.closeReason).toBe(CloseReason.CREDIT_EXCEEDED);
  });

  it.each([
    ["a payload too large", (socket: FakeSocket) => socket.deliver(data(FIRST, 65_601)), CloseReason.TOO_LARGE],
    [
      "a second ACCEPT",
      (socket: FakeSocket) => socket.deliver({ kind: "accept", stream: FIRST, credit: 1, params: {} }),
      CloseReason.OUT_OF_ORDER,
    ],
    [
      "too much credit",
      (socket: FakeSocket) => socket.deliver({ kind: "credit", stream: FIRST, amount: 1 << 23 }),
      CloseReason.BAD_FRAME,
    ],
  ] as const)("close the connection at %s", async (_name, act, reason) => {
    const { client, socket } = admitted();
    await openStream(client, socket);
    act(socket);
    expect(client.closeReason).toBe(reason);
  });

  it.each([data(FIRST, 1), { kind: "credit", stream: FIRST, amount: 1 } as Frame])(
    "take nothing before ACCEPT (%#)",
    async (frame) => {
      const { client, socket } = admitted();
      const opening = client.openStream("control", () => ({}));
      socket.deliver(frame);
      await expect(opening).rejects.toMatchObject({ reason: CloseReason.OUT_OF_ORDER });
    },
  );

  it("are refused with the reason of relay or host", async () => {
    const { client, socket } = admitted();
    const opening = client.openStream("files", () => ({}));
    socket.deliver({ kind: "close", stream: FIRST, reason: CloseReason.PLAN });
    await expect(opening).rejects.toMatchObject({ reason: CloseReason.PLAN });
    expect(client.closeReason).toBeNull();
  });

  it("give out what came before their end, then the reason", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket, 1);
    const sending = stream.send(new Uint8Array(50));
    socket.deliver(data(FIRST, 1, 9));
    socket.deliver({ kind: "close", stream: FIRST, reason: CloseReason.HOST_OFFLINE });
    const end = { reason: CloseReason.HOST_OFFLINE };
    await expect(sending).rejects.toMatchObject(end);
    expect(await stream.receive()).toEqual(Uint8Array.of(9));
    await expect(stream.receive()).rejects.toMatchObject(end);
    await expect(stream.send(new Uint8Array(1))).rejects.toMatchObject(end);
    expect(await stream.closed).toBe(CloseReason.HOST_OFFLINE);
  });

  it("end a waiting receiver when the connection is lost", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket);
    const receiving = stream.receive();
    socket.drop(1006);
    await expect(receiving).rejects.toMatchObject({ reason: CloseReason.DEAD });
    await expect(client.openStream("control", () => ({}))).rejects.toMatchObject({ reason: CloseReason.DEAD });
  });

  it("drop silently what was under way when they were closed", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket);
    stream.close();
    stream.close();
    expect(socket.sent).toEqual([{ kind: "close", stream: FIRST, reason: CloseReason.DONE }]);
    socket.deliver(data(FIRST, 10));
    socket.deliver({ kind: "close", stream: FIRST, reason: CloseReason.DONE });
    expect(client.closeReason).toBeNull();
    expect(stream.closeReason).toBe(CloseReason.DONE);
  });

  it("can be given up while the host has not answered", async () => {
    const { client, socket } = admitted();
    const abort = new AbortController();
    const opening = client.openStream("pair", () => ({}), abort.signal);
    abort.abort();
    await expect(opening).rejects.toMatchObject({ reason: CloseReason.DETACHED });
    expect(socket.take("close")).toMatchObject({ stream: FIRST, reason: CloseReason.DETACHED });
    await expect(client.openStream("pair", () => ({}), abort.signal)).rejects.toThrow(StreamClosed);
  });

  it("are limited in number", async () => {
    const { client, socket } = admitted();
    for (let index = 0; index < MAX_OPEN_STREAMS; index += 1) await openStream(client, socket);
    const refused = client.openStream("control", () => ({}));
    await expect(refused).rejects.toMatchObject({ reason: CloseReason.TOO_MANY_STREAMS });
  });

  it("refuse our own mistakes", async () => {
    const { client, socket } = admitted();
    const stream = await openStream(client, socket);
    await expect(stream.send(new Uint8Array(65_601))).rejects.toThrow(LocalProtocolError);
    void stream.receive().catch(() => undefined);
    await expect(stream.receive()).rejects.toThrow(LocalProtocolError);
  });
});

describe("files", () => {
  it("wait while the browser has much unsent, and control does not", async () => {
    const { client, socket } = admitted();
    const files = await openStream(client, socket, 262_144, "files");
    const control = await openStream(client, socket);
    socket.bufferedAmount = MIN_UNSENT_BYTES;
    const sending = files.send(Uint8Array.of(1));
    await control.send(Uint8Array.of(2));
    expect(socket.take("data")).toMatchObject({ stream: control.id });
    vi.advanceTimersByTime(10 * LOOK_AGAIN_MS);
    expect(socket.sent).toEqual([]);
    socket.bufferedAmount = MIN_UNSENT_BYTES - 1;
    vi.advanceTimersByTime(LOOK_AGAIN_MS);
    await sending;
    expect(socket.take("data")).toMatchObject({ stream: files.id });
  });

  it("do not wait in a page that nobody sees", async () => {
    const { client, socket } = admitted();
    const files = await openStream(client, socket, 262_144, "files");
    socket.bufferedAmount = 10 * MIN_UNSENT_BYTES;
    const sending = files.send(Uint8Array.of(1));
    expect(socket.sent).toEqual([]);
    socket.isHidden = true;
    vi.advanceTimersByTime(LOOK_AGAIN_MS);
    await sending;
    await files.send(Uint8Array.of(2));
    expect(socket.sent).toHaveLength(2);
  });

  it("that wait for room are told of the end, and looking stops", async () => {
    const { client, socket } = admitted();
    const files = await openStream(client, socket, 262_144, "files");
    socket.bufferedAmount = 10 * MIN_UNSENT_BYTES;
    const sending = files.send(Uint8Array.of(1));
    socket.drop(1006);
    await expect(sending).rejects.toMatchObject({ reason: CloseReason.DEAD });
    vi.advanceTimersByTime(LOOK_AGAIN_MS);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("are granted more than the first window where the path asks for it", async () => {
    const { client, socket } = admitted();
    const opening = client.openStream("files", () => ({}));
    vi.advanceTimersByTime(100);
    socket.deliver({ kind: "accept", stream: FIRST, credit: 262_144, params: {} });
    const files = await opening;
    let granted = 0;
    for (let round = 0; round < 4; round += 1) {
      vi.advanceTimersByTime(100);
      for (let index = 0; index < 4; index += 1) {
        socket.deliver(data(FIRST, 65_000));
        await files.receive();
      }
      while (socket.sent.length > 0) granted += socket.take("credit").amount;
    }
    expect(granted).toBeGreaterThan(16 * dataFrameBytes(65_000)); // more than was consumed
    expect(client.closeReason).toBeNull();
  });
});
