import { encode } from "@msgpack/msgpack";
import { describe, expect, it } from "vitest";
import { CloseReason } from "./closeReasons";
import { RemoteProtocolError } from "./errors";
import { dataFrameBytes, decodeFrame, encodeData, encodeFrame, FieldReader, type Frame } from "./frames";
import { fromHex, loadVectors, toHex } from "./testing/vectors";

const STREAM = 0x1_0001;
const secret = new Uint8Array(32).fill(7);

const frames: Frame[] = [
  { kind: "hello", version: 1, role: "viewer", secret, about: { program: "console" } },
  { kind: "welcome", fields: { viewer: 1, host_online: true, kinds: ["control"], expires_at: null } },
  { kind: "data", stream: STREAM, payload: secret },
  { kind: "credit", stream: STREAM, amount: 1 << 24 },
  { kind: "open", stream: STREAM, channel: "control", credit: 1, params: { nonce: secret } },
  { kind: "accept", stream: STREAM, credit: 262_144, params: {} },
  { kind: "close", stream: 0, reason: CloseReason.EXPIRED },
  { kind: "close", stream: STREAM, reason: CloseReason.DONE },
  { kind: "notice", name: "tries", fields: { code: 1, tries: 2 } },
];

describe("frames", () => {
  it.each(frames)("read back: $kind", (frame) => {
    expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
  });

  it.each([0, 1, 0xff, 0x100, 0xffff, 0x10000])("carry %i bytes of payload in a view of the message", (size) => {
    const message = encodeData(STREAM, new Uint8Array(size).fill(1));
    expect(message).toEqual(encode([3, STREAM, new Uint8Array(size).fill(1)]));
    expect(message.length).toBe(dataFrameBytes(size));
    const frame = decodeFrame(message);
    expect(frame.kind === "data" && frame.payload.length).toBe(size);
    expect(frame.kind === "data" && frame.payload.buffer).toBe(message.buffer);
  });

  it.each(Object.entries(loadVectors<Record<string, string>>("frames")))("are Python's: %s", (_name, hex) => {
    expect(toHex(encodeFrame(decodeFrame(fromHex(hex))))).toBe(hex);
  });

  it("are spelled as the protocol says", () => {
    const data: Frame = { kind: "data", stream: STREAM, payload: Uint8Array.of(9) };
    expect(toHex(encodeFrame(data))).toBe("9303ce00010001c40109");
    expect(toHex(encodeFrame({ kind: "credit", stream: STREAM, amount: 1 }))).toBe("9304ce0001000101");
  });

  const odd: [string, unknown][] = [
    ["no array", { a: 1 }],
    ["an empty array", []],
    ["an unknown kind", [9, 0, {}]],
    ["kind true", [true, 0, {}]],
    ["an element too many", [4, STREAM, 1, 1]],
    ["an element too few", [4, STREAM]],
    ["no stream of a viewer", [4, 1, 1]],
    ["stream 2³²", [4, 2 ** 32, 1]],
    ["a fraction", [4, STREAM, 1.5]],
    ["NaN", [4, STREAM, NaN]],
    ["credit 0", [4, STREAM, 0]],
    ["too much credit", [4, STREAM, (1 << 24) + 1]],
    ["DATA that is text", [3, STREAM, "text"]],
    ["another channel", [5, STREAM, "telnet", 1, {}]],
    ["params that are a list", [6, STREAM, 1, []]],
    ["a map in a map", [8, 0, "tries", { a: {} }]],
    ["a float in a map", [8, 0, "tries", { a: 0.5 }]],
    ["a mixed list in a map", [8, 0, "tries", { a: ["x", 1] }]],
    ["an overlong list", [8, 0, "tries", { a: Array.from({ length: 33 }, () => "x") }]],
    ["an overlong text", [8, 0, "tries", { a: "x".repeat(1025) }]],
    ["an overlong key", [8, 0, "tries", { ["k".repeat(33)]: 1 }]],
    ["an overlong name", [8, 0, "n".repeat(33), {}]],
    ["a notice on a stream", [8, STREAM, "tries", {}]],
    ["a short secret", [1, 0, 1, "viewer", new Uint8Array(15), {}]],
    ["another role", [1, 0, 1, "relay", secret, {}]],
  ];
  it.each(odd)("refuse %s", (_name, value) => {
    const message = encode(value);
    expect(() => decodeFrame(message)).toThrow(RemoteProtocolError);
  });

  it.each([
    "",
    "93",
    "c1",
    "c7000a",
    "9303ce00010001c402ff",
    "9303ce00000001c400",
    "9303ce00010001c60000",
    "9303ce00010001",
    "940800a57472696573810102",
  ])(
    "refuse the bytes %s",
    (hex) => {
      expect(() => decodeFrame(fromHex(hex))).toThrow(RemoteProtocolError);
    },
  );

  it("refuse bytes behind the array", () => {
    expect(() => decodeFrame(fromHex("9304ce000100010100"))).toThrow(RemoteProtocolError);
  });

  it("refuse a large frame that is not DATA", () => {
    expect(() => decodeFrame(new Uint8Array(16 * 1024 + 1))).toThrow("too large");
  });

  it("end in a frame or a RemoteProtocolError, whatever the bytes", () => {
    for (let round = 0; round < 2000; round += 1) {
      const bytes = crypto.getRandomValues(new Uint8Array(round % 40));
      bytes.set([0x90 | (round % 7), round % 9].slice(0, bytes.length));
      try {
        expect(decodeFrame(bytes)).toHaveProperty("kind");
      } catch (error) {
        expect(error).toBeInstanceOf(RemoteProtocolError);
      }
    }
  });
});

describe("a frame's fields", () => {
  const reader = new FieldReader({ text: "a", number: 1, flag: false, texts: ["x"], nil: null });

  it("are read by type", () => {
    expect([reader.text("text"), reader.number("number"), reader.flag("flag"), reader.texts("texts")]).toEqual([
      "a",
      1,
      false,
      ["x"],
    ]);
    expect([reader.optionalNumber("nil"), reader.optionalNumber("number"), reader.optionalText("gone")]).toEqual([
      null,
      1,
      null,
    ]);
    expect(reader.optionalText("text")).toBe("a");
  });

  it("are refused where they are missing or of another type", () => {
    for (const read of [
      () => reader.text("number"),
      () => reader.number("text"),
      () => reader.flag("nil"),
      () => reader.texts("text"),
      () => reader.text("constructor"),
    ]) {
      expect(read).toThrow(RemoteProtocolError);
    }
  });
});
