import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { MessageDecoder, encodeMessage } from "../protocol/messages";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";
import { Chat } from "./chat";

/** The host's end of one chat stream. */
class Room {
  readonly heard: unknown[] = [];
  closeReason: CloseReason | null = null;
  readonly #said: Bytes[] = [];
  #wake: () => void = () => undefined;
  readonly channel = {
    send: (data: Bytes) => {
      this.heard.push(...new MessageDecoder().feed(data).map(({ head }) => head));
      return Promise.resolve();
    },
    receive: async () => {
      while (this.#said.length === 0) {
        if (this.closeReason !== null) throw new StreamClosed(this.closeReason);
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      return this.#said.shift();
    },
    close: (reason: CloseReason) => {
      this.closeReason ??= reason;
      this.#wake();
    },
  } as unknown as SealedChannel;

  say(head: Record<string, unknown>): void {
    this.#said.push(encodeMessage(head));
    this.#wake();
  }
}

const FAMILY = "Done \u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u{1fae8}";
const line = (number: number, author: string, text: string) => ({ number, at: 1_700_000_000, author, text });
const settle = () => vi.advanceTimersByTimeAsync(0);

let chat: Chat;
let room: Room;
const join = async (): Promise<void> => {
  room = new Room();
  const { channel } = room;
  chat.follow(() => Promise.resolve(channel));
  await settle();
};

beforeEach(async () => {
  vi.useFakeTimers();
  chat = new Chat();
  await join();
});

afterEach(() => {
  chat.stop();
  vi.useRealTimers();
});

describe("the chat", () => {
  test("shows what both say, and counts what the customer said unseen", async () => {
    room.say(line(0, "", "hello"));
    room.say(line(1, "Anna", "hi"));
    await settle();
    expect([chat.lines.value.map(({ text }) => text), chat.unread.value]).toEqual([["hello", "hi"], 1]);
    chat.isOpen.value = true;
    chat.markRead();
    chat.isOpen.value = false;
    expect(chat.unread.value).toBe(0);
  });

  test("a line is on its way until the computer tells it", async () => {
    chat.say("  hi ");
    chat.say(" ");
    expect([room.heard, chat.unsent.value]).toEqual([[{ say: "hi" }], ["hi"]]);
    room.say(line(0, "Anna", "hi"));
    await settle();
    expect(chat.unsent.value).toEqual([]);
  });

  test("a line has arrived also where the computer took something out of it", async () => {
    chat.say(FAMILY);
    chat.say("other");
    room.say(line(0, "Anna", "Done \u{1f468}\u{1f469}\u{1f467}"));
    await settle();
    expect(chat.unsent.value).toEqual(["other"]);
  });

  test("what was cut on its way is said again once, if the computer does not have it", async () => {
    chat.say("arrived");
    chat.say("lost");
    chat.stop();
    await settle();
    expect(chat.state.value).toBe("off");
    await join();
    room.say(line(0, "Anna", "arrived"));
    chat.say("new");
    await vi.advanceTimersByTimeAsync(2000);
    expect([room.heard, chat.unsent.value]).toEqual([[{ say: "new" }, { say: "lost" }], ["lost", "new"]]);
  });

  test("is begun at the connection if that was wanted", async () => {
    chat.stop();
    chat.isWanted.value = true;
    await join();
    expect([room.heard, chat.isOpen.value]).toEqual([[{ begin: true }], true]);
  });

  test("a computer without one is said to have none", async () => {
    chat.follow(() => Promise.reject(new StreamClosed(CloseReason.KIND_NOT_GRANTED)));
    await settle();
    expect(chat.state.value).toBe("none");
  });

  test("what is told cannot hide or reorder anything", async () => {
    room.say(line(0, "\u202eanna", "a\u0000b\u202e\nc"));
    await settle();
    expect(chat.lines.value[0]).toMatchObject({ author: "anna", text: "ab\nc" });
  });

  test.each([
    ["a gap", line(1, "", "x")],
    ["a negative number", line(-1, "", "x")],
    ["an endless text", line(0, "", "x".repeat(5000))],
    ["no text", { number: 0, at: 1, author: "" }],
  ])("%s closes the stream", async (_, said) => {
    room.say(said);
    await settle();
    expect([room.closeReason, chat.state.value, chat.lines.value.length]).toEqual([CloseReason.BAD_FRAME, "off", 0]);
  });
});
