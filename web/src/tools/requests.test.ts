import { beforeEach, describe, expect, test } from "vitest";
import type { Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { RemoteProtocolError } from "../protocol/errors";
import { MessageDecoder, encodeMessage, type Message } from "../protocol/messages";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";
import { Extent, RequestRefused, Requests } from "./requests";

/** The host's end of a stream. */
class Host {
  readonly asked: Message[] = [];
  closeReason: CloseReason | null = null;
  readonly #decoder = new MessageDecoder();
  readonly #said: (Bytes | null)[] = [];
  #wake: () => void = () => undefined;

  readonly channel = {
    closed: Promise.resolve(CloseReason.DONE),
    send: (data: Bytes) => {
      this.asked.push(...this.#decoder.feed(data));
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

  say(head: Record<string, unknown>, body?: Uint8Array): void {
    this.#said.push(encodeMessage(head, body));
    this.#wake();
  }

  end(): void {
    this.#said.push(null);
    this.#wake();
  }
}

let host: Host;
let requests: Requests;

beforeEach(() => {
  host = new Host();
  requests = new Requests(host.channel);
});

describe("requests", () => {
  test("are answered in their order, in parts where that is wanted", async () => {
    const pages: unknown[] = [];
    const list = requests.ask("list", { path: "/" }, ({ head }) => void pages.push(head["entries"]));
    const stat = requests.ask("stat", { path: "/a" });
    expect(host.asked.map(({ head }) => head)).toEqual([
      { id: 1, op: "list", path: "/" },
      { id: 2, op: "stat", path: "/a" },
    ]);
    host.say({ id: 1, entries: [1] });
    host.say({ id: 1, entries: [2] });
    host.say({ id: 1, ok: {} });
    host.say({ id: 2, ok: { size: 3 } });
    await list;
    expect([pages, (await stat).head["ok"]]).toEqual([[[1], [2]], { size: 3 }]);
  });

  test("whoever takes the parts and cannot go on says why, and the rest is not wanted", async () => {
    const full = new Error("the disk is full");
    const read = requests.ask("read", { path: "/a" }, () => Promise.reject(full));
    const other = requests.ask("stat", { path: "/b" });
    host.say({ id: 1, offset: 0 }, new Uint8Array(1));
    host.say({ id: 1, offset: 1 }, new Uint8Array(1));
    await expect(read).rejects.toBe(full);
    await expect(other).rejects.toBeInstanceOf(StreamClosed);
    expect([host.closeReason, requests.isClosed]).toEqual([CloseReason.DETACHED, true]);
  });

  test("an answer adds up to so many things and bytes, and each part has some", () => {
    const part = (headBytes: number): Message => ({ head: {}, headBytes, body: new Uint8Array(0) });
    const extent = new Extent(3, 100);
    extent.add(part(50), 2);
    extent.add(part(50), 1);
    expect(() => extent.add(part(0), 1)).toThrow(RemoteProtocolError);
    expect(() => new Extent(3, 100).add(part(101), 1)).toThrow(RemoteProtocolError);
    expect(() => new Extent(3, 100).add(part(1), 0)).toThrow(RemoteProtocolError);
  });

  test("one that cannot be done harms no other", async () => {
    const refused = requests.ask("make", { path: "/x" });
    const done = requests.ask("make", { path: "/y" });
    host.say({ id: 1, error: "denied", detail: "no" });
    host.say({ id: 2, ok: {} });
    await expect(refused).rejects.toMatchObject({ code: "denied", detail: "no", sentence: "problem_denied" });
    await expect(done).resolves.toBeDefined();
  });

  test("a word that nobody knows is a failure", () => {
    expect(new RequestRefused("constructor").code).toBe("failed");
  });

  test.each<[string, Record<string, unknown>]>([
    ["about another request", { id: 2, ok: {} }],
    ["without a number", { ok: {} }],
    ["in parts where one was wanted", { id: 1, entries: [] }],
    ["with a number for an error", { id: 1, error: 5 }],
  ])("an answer %s closes the stream, and fails what waits", async (_, answer) => {
    const asked = requests.ask("stat", { path: "/" });
    host.say(answer);
    await expect(asked).rejects.toBeInstanceOf(StreamClosed);
    expect([host.closeReason, requests.isClosed]).toEqual([CloseReason.BAD_FRAME, true]);
    await expect(requests.ask("stat")).rejects.toBeInstanceOf(StreamClosed);
  });

  test("the stream's end fails what waits", async () => {
    const asked = requests.ask("stat", { path: "/" });
    host.end();
    await expect(asked).rejects.toMatchObject({ reason: CloseReason.DONE });
  });

  test("a slow reader holds the host up", async () => {
    let go: () => void = () => undefined;
    const seen: unknown[] = [];
    const asked = requests.ask("list", {}, async ({ head }) => {
      seen.push(head["entries"]);
      await new Promise<void>((resolve) => (go = resolve));
    });
    host.say({ id: 1, entries: 1 });
    host.say({ id: 1, entries: 2 });
    host.say({ id: 1, ok: {} });
    await new Promise((resolve) => setTimeout(resolve));
    expect(seen).toEqual([1]);
    go();
    await new Promise((resolve) => setTimeout(resolve));
    expect(seen).toEqual([1, 2]);
    go();
    await asked;
  });
});
