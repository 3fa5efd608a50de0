import { describe, expect, it, vi } from "vitest";
import { utf8, type Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { CodeError } from "../protocol/codes";
import { encodeMap } from "../protocol/maps";
import { MAX_DATA_BYTES } from "../protocol/sealing";
import { pair, type Pairing } from "./pair";
import { MAX_UNSENT_BYTES, RfbChannel } from "./rfbChannel";
import { connectChannel, REKEY_INTERVAL_MS, type SealedChannel } from "./sealedChannel";
import {
  admitted,
  connectionSecret,
  FakeHost,
  ORIGIN,
  pairingSecret,
  SESSION,
  type FakeSocket,
} from "./testing/fakes";

const PAIRING_KEY = new Uint8Array(32).fill(3);
const INVITE_SECRET = new Uint8Array(16).fill(4);
const CODE = "123456789";
const FACTS = { computer: "PC-7", os: "Debian 12", user: "eva", key: new Uint8Array(32).fill(5) };

/** What the tests use of noVNC's `core/websock.js`. */
interface NoVncWebsock {
  readonly readyState: string;
  attach(channel: RfbChannel): void;
  on(event: "message", handler: () => void): void;
  rQshiftStr(length: number): string;
  close(): void;
}

const place = { origin: ORIGIN, session: SESSION };

interface Connected {
  socket: FakeSocket;
  channel: SealedChannel;
  /** Delivers one sealed record of the host. */
  say: (data: Bytes, isFinal?: boolean) => Promise<void>;
  /** What the viewer has said since it was asked last. */
  heard: () => Promise<string>;
}

async function connected(password = "k7mp-w2xa-9tfe"): Promise<Connected> {
  const { client, socket } = admitted();
  const prs = connectionSecret(PAIRING_KEY, "k7mp-w2xa-9tfe");
  const host = new FakeHost(socket, { prs, channel: "control", wrong: CloseReason.WRONG_PASSWORD });
  const channel = await connectChannel(client, "control", {
    ...place,
    pairingKey: PAIRING_KEY,
    accessPassword: password,
  });
  const { sealer, opener, stream, payloads } = await host.ready;
  return {
    socket,
    channel,
    say: async (data, isFinal = false) => {
      for (const payload of await sealer.seal(data, isFinal)) socket.deliver({ kind: "data", stream, payload });
    },
    heard: async () => {
      let text = "";
      for (const payload of payloads.splice(0)) {
        const opened = await opener.open(payload);
        if (opened === null) text += "<rekey>";
        else text += new TextDecoder().decode(opened.data) + (opened.isFinal ? "<end>" : "");
      }
      return text;
    },
  };
}

describe("a sealed channel", () => {
  it("carries bytes both ways to their authenticated end", async () => {
    const { channel, say, heard } = await connected();
    await Promise.all([channel.send(utf8("one ")), channel.send(utf8("two"))]);
    await channel.finish();
    expect(await heard()).toBe("one two<end>");
    await say(utf8("down"));
    await say(utf8("last"), true);
    expect(await channel.receive()).toEqual(utf8("down"));
    expect(await channel.receive()).toEqual(utf8("last"));
    expect(await channel.receive()).toBeNull();
    expect(channel.pairingKey).toBeNull();
    expect(channel.handshakeMs).toBeGreaterThan(0);
  });

  it("cuts what is longer than a record, and does not look at it later", async () => {
    const { channel, heard, socket } = await connected();
    const long = new Uint8Array(2 * MAX_DATA_BYTES + 1).fill(0x61);
    const sending = channel.send(long);
    long.fill(0x62);
    await sending;
    expect(await heard()).toBe("a".repeat(long.length));
    expect(socket.sent.filter((frame) => frame.kind === "data")).toHaveLength(4); // the first is the handshake's
  });

  it("rekeys after an hour", async () => {
    const { channel, heard } = await connected();
    const now = vi.spyOn(performance, "now").mockReturnValue(performance.now() + REKEY_INTERVAL_MS);
    await channel.send(utf8("x"));
    now.mockRestore();
    await channel.send(utf8("y"));
    expect(await heard()).toBe("<rekey>xy");
  });

  it("says that the password is wrong", async () => {
    await expect(connected("another")).rejects.toMatchObject({ reason: CloseReason.WRONG_PASSWORD });
  });

  it("refuses an impossible password before anything is sent", async () => {
    const { client, socket } = admitted();
    const refused = connectChannel(client, "control", { ...place, pairingKey: PAIRING_KEY, accessPassword: "" });
    await expect(refused).rejects.toThrow(CodeError);
    expect(socket.sent).toEqual([]);
  });

  it("closes its stream at a broken seal, and the connection stays", async () => {
    const { channel, socket, say } = await connected();
    await say(utf8("good"));
    expect(await channel.receive()).toEqual(utf8("good"));
    socket.sent.length = 0;
    const stream = 3 * 0x1_0000 + 1;
    socket.deliver({ kind: "data", stream, payload: new Uint8Array(40) });
    await expect(channel.receive()).rejects.toMatchObject({ reason: CloseReason.SEAL_BROKEN });
    expect(socket.sent).toEqual([{ kind: "close", stream, reason: CloseReason.SEAL_BROKEN }]);
    expect(socket.closeCode).toBeNull();
  });

  it("knows a cut from an end", async () => {
    const { channel, socket } = await connected();
    socket.deliver({ kind: "close", stream: 3 * 0x1_0000 + 1, reason: CloseReason.DONE });
    await expect(channel.receive()).rejects.toMatchObject({ reason: CloseReason.DONE });
  });

  it("closes the stream of a host whose handshake makes no sense", async () => {
    const { client, socket } = admitted();
    const opening = connectChannel(client, "control", { ...place, pairingKey: PAIRING_KEY, accessPassword: "x" });
    const { stream } = socket.take("open");
    socket.deliver({ kind: "accept", stream, credit: 262_144, params: { nonce: "odd" } });
    await expect(opening).rejects.toMatchObject({ reason: CloseReason.BAD_FRAME });
    expect(socket.take("close")).toMatchObject({ stream, reason: CloseReason.BAD_FRAME });
  });
});

describe("pairing", () => {
  async function paired(typed = CODE): Promise<{
    pairing: Pairing;
    socket: FakeSocket;
    answer: (isAllowed: boolean) => Promise<void>;
    stored: () => Promise<Bytes | undefined>;
    stream: number;
  }> {
    const { client, socket } = admitted();
    const prs = pairingSecret(INVITE_SECRET, typed);
    const wrong = CloseReason.WRONG_CODE;
    const host = new FakeHost(socket, { prs, channel: "pair", facts: encodeMap(FACTS), wrong });
    const pairing = await pair(client, {
      ...place,
      codeNumber: 2,
      attempt: 7,
      inviteSecret: INVITE_SECRET,
      securityCode: CODE,
      claims: { technician: "Ana", company: "Ayuda", kinds: ["control"], lifetime: 86_400 },
    });
    const { sealer, opener, stream, payloads } = await host.ready;
    return {
      pairing,
      socket,
      stream,
      answer: async (isAllowed) => {
        const [payload] = await sealer.seal(encodeMap({ allowed: isAllowed }));
        if (payload) socket.deliver({ kind: "data", stream, payload });
      },
      stored: async () => {
        const [payload] = payloads.splice(0);
        return payload && (await opener.open(payload))?.data;
      },
    };
  }

  it("tells who the computer is, waits for the customer and reports", async () => {
    const { pairing, socket, answer, stored, stream } = await paired();
    expect(pairing.facts).toEqual(FACTS);
    expect(pairing.pairingKey).toHaveLength(32);
    await answer(true);
    expect(await pairing.waitAnswer()).toBe(true);
    await pairing.finish(null);
    expect(await stored()).toEqual(encodeMap({ stored: true }));
    expect(socket.take("notice")).toEqual({ kind: "notice", name: "paired", fields: { attempt: 7, wrapped: null } });
    expect(socket.take("close")).toEqual({ kind: "close", stream, reason: CloseReason.DONE });
  });

  it("says that the code is wrong", async () => {
    await expect(paired("000000000")).rejects.toMatchObject({ reason: CloseReason.WRONG_CODE });
  });

  it("hears the customer decline, in words or by closing", async () => {
    const first = await paired();
    await first.answer(false);
    expect(await first.pairing.waitAnswer()).toBe(false);
    const second = await paired();
    second.socket.deliver({ kind: "close", stream: second.stream, reason: CloseReason.DECLINED });
    expect(await second.pairing.waitAnswer()).toBe(false);
  });

  it("does not take a lost computer for an answer", async () => {
    const { pairing, socket, stream } = await paired();
    socket.deliver({ kind: "close", stream, reason: CloseReason.HOST_OFFLINE });
    await expect(pairing.waitAnswer()).rejects.toMatchObject({ reason: CloseReason.HOST_OFFLINE });
  });

  it("can be given up", async () => {
    const { pairing, socket, stream } = await paired();
    pairing.cancel();
    expect(socket.take("close")).toEqual({ kind: "close", stream, reason: CloseReason.DETACHED });
  });
});

describe("the channel for noVNC", () => {
  interface Attached extends Connected {
    rfb: RfbChannel;
    closes: { code: number; wasClean: boolean }[];
    /** Resolves with the next chunk shown. */
    shown: () => Promise<string>;
  }

  async function attached(): Promise<Attached> {
    const connection = await connected();
    const rfb = new RfbChannel(connection.channel);
    const chunks: string[] = [];
    const waiting: ((text: string) => void)[] = [];
    const closes: Attached["closes"] = [];
    rfb.onmessage = ({ data }) => {
      const text = new TextDecoder().decode(data);
      const give = waiting.shift();
      if (give === undefined) chunks.push(text);
      else give(text);
    };
    rfb.onclose = ({ code, wasClean }) => closes.push({ code, wasClean });
    const shown = (): Promise<string> => {
      const chunk = chunks.shift();
      return chunk === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(chunk);
    };
    return { ...connection, rfb, closes, shown };
  }

  it("is taken by noVNC's own Websock", async () => {
    const { channel, say } = await connected();
    vi.stubGlobal("WebSocket", { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
    vi.stubGlobal("window", { console });
    // The package exports only RFB, which needs a page; the part that meets the channel does not.
    const file = new URL("../../node_modules/@novnc/novnc/core/websock.js", import.meta.url);
    const { default: Websock } = (await import(/* @vite-ignore */ file.href)) as { default: new () => NoVncWebsock };
    const websock = new Websock();
    const greeting = new Promise<string>((resolve) => {
      websock.on("message", () => resolve(websock.rQshiftStr(12)));
    });
    websock.attach(new RfbChannel(channel));
    expect(websock.readyState).toBe("open");
    await say(utf8("RFB 003.008\n"));
    expect(await greeting).toBe("RFB 003.008\n");
    websock.close();
    expect(await channel.closed).toBe(CloseReason.DONE);
    vi.unstubAllGlobals();
  });

  it("keeps the order, loses nothing before somebody listens, and counts", async () => {
    const connection = await connected();
    await connection.say(utf8("early"));
    const rfb = new RfbChannel(connection.channel);
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      rfb.onmessage = ({ data }) => {
        seen.push(new TextDecoder().decode(data));
        if (seen.length === 3) resolve();
      };
      void connection.say(utf8("b")).then(() => connection.say(utf8("cc")));
    });
    expect(seen).toEqual(["early", "b", "cc"]);
    expect(rfb.linkQuality).toMatchObject({ bytesReceived: 8, recordsReceived: 3, bytesSent: 0 });
  });

  it("sends copies in order, and measures the answer", async () => {
    const { rfb, heard, say, shown, socket } = await attached();
    const buffer = utf8("ab");
    rfb.send(buffer);
    buffer.set(utf8("xy"));
    rfb.send(utf8("cd").buffer);
    rfb.send(utf8("ef"));
    await vi.waitFor(() => expect(rfb.linkQuality.bytesSent).toBe(6));
    await vi.waitFor(() => expect(socket.sent.filter((frame) => frame.kind === "data").length).toBeGreaterThan(2));
    expect(await heard()).toBe("abcdef");
    await say(utf8("seen"));
    expect(await shown()).toBe("seen");
    expect(rfb.linkQuality.responseMs).toBeGreaterThan(0);
  });

  it("ends cleanly after the host's end", async () => {
    const { rfb, say, closes, channel } = await attached();
    await say(new Uint8Array(0), true);
    expect(await channel.closed).toBe(CloseReason.DONE);
    expect(closes).toEqual([{ code: CloseReason.DONE.wsCode, wasClean: true }]);
    expect([rfb.readyState, rfb.closeReason]).toEqual(["closed", CloseReason.DONE]);
  });

  it("tells why it was closed", async () => {
    const { rfb, socket, closes } = await attached();
    const errors: Event[] = [];
    rfb.onerror = (event) => errors.push(event);
    socket.deliver({ kind: "close", stream: 3 * 0x1_0000 + 1, reason: CloseReason.HOST_OFFLINE });
    await vi.waitFor(() => expect(closes).toEqual([{ code: CloseReason.HOST_OFFLINE.wsCode, wasClean: false }]));
    expect(rfb.closeReason).toBe(CloseReason.HOST_OFFLINE);
    expect(errors).toHaveLength(1);
    rfb.send(utf8("too late"));
    rfb.close();
    expect(closes).toHaveLength(1);
  });

  it("is closed by noVNC, with the event afterwards", async () => {
    const { rfb, closes, channel } = await attached();
    rfb.close();
    expect([rfb.readyState, closes]).toEqual(["closing", []]);
    expect(await channel.closed).toBe(CloseReason.DONE);
    expect(closes).toHaveLength(1);
  });

  it("gives up on a link that takes no input", async () => {
    const { rfb, closes } = await attached();
    for (let index = 0; index < 5; index += 1) rfb.send(new Uint8Array(MAX_UNSENT_BYTES / 4));
    rfb.send(new Uint8Array(MAX_UNSENT_BYTES));
    expect(closes).toEqual([{ code: CloseReason.STALLED.wsCode, wasClean: false }]);
  });
});
