import { describe, expect, test } from "vitest";
import { CloseReason } from "../protocol/closeReasons";
import { encodeMessage, MessageDecoder } from "../protocol/messages";
import { decodeMap, text } from "../protocol/maps";
import { RequestRefused } from "../tools/requests";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";
import { askRestart, RESTART_CLAIMS } from "./restart";

/** The host's end: takes what is sent, and says what the test tells it to. */
class FakeChannel {
  readonly asked: Readonly<Record<string, unknown>>[] = [];
  readonly closed: Promise<CloseReason>;
  closeReason: CloseReason | null = null;
  readonly #decoder = new MessageDecoder();
  readonly #said: (Uint8Array | null)[] = [];
  #wake: () => void = () => undefined;
  #settle: (reason: CloseReason) => void = () => undefined;

  constructor() {
    this.closed = new Promise((resolve) => (this.#settle = resolve));
  }

  send(data: Uint8Array): Promise<void> {
    for (const { head } of this.#decoder.feed(data as Uint8Array<ArrayBuffer>)) this.asked.push(head);
    return Promise.resolve();
  }

  say(head: Readonly<Record<string, unknown>>): void {
    this.#said.push(encodeMessage(head));
    this.#wake();
  }

  async receive(): Promise<Uint8Array | null> {
    while (this.#said.length === 0) {
      if (this.closeReason !== null) throw new StreamClosed(this.closeReason);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#said.shift() ?? null;
  }

  close(reason: CloseReason): void {
    this.closeReason ??= reason;
    this.#settle(reason);
    this.#wake();
  }
}

function asking(signal = new AbortController().signal) {
  const channel = new FakeChannel();
  const waits: number[] = [];
  const done = askRestart(channel as unknown as SealedChannel, (seconds) => waits.push(seconds), signal);
  done.catch(() => undefined);
  return { channel, waits, done };
}

describe("restarting a computer", () => {
  test("a stream says in its proof that it is for that", () => {
    expect(decodeMap(RESTART_CLAIMS, { act: text }, "claims")).toEqual({ act: "restart" });
  });

  test("the customer's time to say no, and then when the program comes back", async () => {
    const { channel, waits, done } = asking();
    channel.say({ id: 1, waits: 15 });
    channel.say({ id: 1, begins: "sign_in" });
    channel.say({ id: 1, ok: {} });
    expect(await done).toBe("sign_in");
    expect(waits).toEqual([15]);
    expect(channel.asked).toEqual([{ id: 1, op: "restart", mode: "normal" }]);
    expect(channel.closeReason).toBe(CloseReason.DONE);
  });

  test("a computer that goes down before it has said so", async () => {
    const { channel, done } = asking();
    channel.say({ id: 1, waits: 15 });
    channel.say({ id: 1, begins: "boot" });
    channel.close(CloseReason.HOST_OFFLINE);
    expect(await done).toBe("boot");
  });

  test("a computer that does not go down after all", async () => {
    const { channel, done } = asking();
    channel.say({ id: 1, begins: "boot" });
    channel.say({ id: 1, error: "denied", detail: "" });
    await expect(done).rejects.toMatchObject({ code: "denied" });
  });

  test("a no", async () => {
    const { channel, done } = asking();
    channel.say({ id: 1, waits: 15 });
    channel.say({ id: 1, error: "declined", detail: "" });
    await expect(done).rejects.toMatchObject({ code: "declined", sentence: "problem_declined" });
    await expect(done).rejects.toBeInstanceOf(RequestRefused);
  });

  test("whoever asked takes it back", async () => {
    const controller = new AbortController();
    const { channel, done } = asking(controller.signal);
    channel.say({ id: 1, waits: 15 });
    controller.abort();
    await expect(done).rejects.toBeInstanceOf(StreamClosed);
    expect(channel.closeReason).toBe(CloseReason.DETACHED);
  });

  test("an answer that is none closes the stream", async () => {
    for (const head of [{ id: 1, waits: "long" }, { id: 1, waits: 9999 }, { id: 2, ok: {} }]) {
      const { channel, done } = asking();
      channel.say(head);
      await expect(done).rejects.toBeInstanceOf(StreamClosed);
    }
  });
});
