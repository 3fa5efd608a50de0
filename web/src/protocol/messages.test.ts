import { encode } from "@msgpack/msgpack";
import { describe, expect, test } from "vitest";
import { concat, owned, u32 } from "./bytes";
import { RemoteProtocolError } from "./errors";
import { MAX_BODY_BYTES, MAX_HEAD_BYTES, MessageDecoder, MessageFields, encodeMessage } from "./messages";

const HEAD = { id: 7, op: "list", path: "/home/ana" };

describe("messages", () => {
  test("come out as they went in, however the bytes are cut", () => {
    const bytes = concat(encodeMessage(HEAD), encodeMessage({ id: 8 }, new Uint8Array([1, 2, 3])), encodeMessage({}));
    for (const step of [1, 2, 3, 7, 11, bytes.length]) {
      const decoder = new MessageDecoder();
      const found = [];
      for (let at = 0; at < bytes.length; at += step) found.push(...decoder.feed(owned(bytes.slice(at, at + step))));
      expect(found.map(({ head, body }) => [head, [...body]])).toEqual([[HEAD, []], [{ id: 8 }, [1, 2, 3]], [{}, []]]);
      expect(decoder.isBetweenMessages).toBe(true);
    }
  });

  test("a cut one is noticed at the end", () => {
    const decoder = new MessageDecoder();
    decoder.feed(owned(encodeMessage(HEAD).slice(0, 9)));
    expect(decoder.isBetweenMessages).toBe(false);
  });

  test("what was left out stays out", () => {
    const [message] = new MessageDecoder().feed(encodeMessage({ id: 1, hidden: undefined }));
    expect(message?.head).toEqual({ id: 1 });
  });

  test.each([
    ["a head too large", concat(u32(MAX_HEAD_BYTES + 1), u32(0))],
    ["a body too large", concat(u32(1), u32(MAX_BODY_BYTES + 1))],
    ["no msgpack", concat(u32(1), u32(0), new Uint8Array([0xc1]))],
    ["a list", concat(u32(1), u32(0), new Uint8Array([0x90]))],
    ["a number for a key", concat(u32(3), u32(0), new Uint8Array([0x81, 1, 1]))],
    ["an extension", concat(u32(4), u32(0), new Uint8Array([0x81, 0xa0, 0xd4, 0]))],
    ["a byte too many", concat(u32(2), u32(0), encode({}), new Uint8Array(1))],
  ])("%s is refused before it is kept", (_, bytes) => {
    expect(() => new MessageDecoder().feed(owned(bytes))).toThrow(RemoteProtocolError);
  });
});

describe("fields of a message", () => {
  const fields = new MessageFields({ text: "a", size: 5, half: 0.5, yes: true, name: new Uint8Array([0xff]), map: {}, list: [1], no: null });

  test("are read by their kind", () => {
    expect([fields.text("text"), fields.number("size"), fields.number("half"), fields.flag("yes")]).toEqual(["a", 5, 0.5, true]);
    expect([fields.list("list"), fields.name("text"), fields.name("name")]).toEqual([[1], "a", new Uint8Array([0xff])]);
    expect([fields.has("no"), fields.has("text"), fields.fields("map").has("x"), fields.bytes("name", 1).length]).toEqual([false, true, false, 1]);
  });

  test.each<[string, () => unknown]>([
    ["a missing one", () => fields.text("nothing")],
    ["one that every object has", () => fields.text("toString")],
    ["a text that is too long", () => fields.text("text", 0)],
    ["a negative number", () => new MessageFields({ n: -1 }).number("n")],
    ["a number that is none", () => new MessageFields({ n: NaN }).number("n")],
    ["a number that is too large", () => fields.number("size", 0, 4)],
    ["a number for a truth", () => fields.flag("size")],
    ["a text for a list", () => fields.list("text")],
    ["a list for a map", () => fields.fields("list")],
    ["bytes of another length", () => fields.bytes("name", 2)],
    ["a number for a name", () => fields.name("size")],
  ])("%s is refused", (_, read) => {
    expect(read).toThrow(RemoteProtocolError);
  });
});
