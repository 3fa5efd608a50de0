/** For tests: the relay's end of a connection, and a host that speaks the other half of the handshake. */
import { u32, u64, utf8, type Bytes } from "../../protocol/bytes";
import type { CloseReason } from "../../protocol/closeReasons";
import * as cpace from "../../protocol/cpace";
import { decodeFrame, encodeFrame, SUBPROTOCOL, type Frame } from "../../protocol/frames";
import { hkdf } from "../../protocol/hkdf";
import { binary, decodeMap, encodeMap } from "../../protocol/maps";
import { NO_DETAILS } from "../../protocol/pairing";
import { Direction, Opener, Sealer } from "../../protocol/sealing";
import { TunnelClient, type Socket } from "../client";

export const ORIGIN = "https://relay.example";
export const SESSION = "s_0123";
export const TICKET = new Uint8Array(32).fill(7);
export const VIEWER = 3;

/** A socket whose other end is in the test's hands. */
export class FakeSocket implements Socket {
  binaryType: BinaryType = "blob";
  protocol: string = SUBPROTOCOL;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  /** What the client sent and nobody has taken yet. */
  readonly sent: Frame[] = [];
  closeCode: number | null = null;
  bufferedAmount = 0;
  /** Whether the page that it belongs to is. */
  isHidden = false;
  /** Called at each frame of the client. */
  onframe: ((frame: Frame) => void) | null = null;

  send(data: Bytes): void {
    const frame = decodeFrame(data);
    this.sent.push(frame);
    this.onframe?.(frame);
  }

  close(code?: number): void {
    this.closeCode ??= code ?? 1005;
  }

  open(): void {
    this.onopen?.(new Event("open"));
  }

  deliver(frame: Frame): void {
    this.deliverRaw(encodeFrame(frame));
  }

  deliverRaw(data: Bytes | string): void {
    const payload = typeof data === "string" ? data : data.slice().buffer;
    this.onmessage?.({ data: payload } as MessageEvent<unknown>);
  }

  drop(code: number): void {
    this.onclose?.({ code } as CloseEvent);
  }

  /** Takes the client's next frame of a kind, dropping those before it. */
  take<K extends Frame["kind"]>(kind: K): Extract<Frame, { kind: K }> {
    for (;;) {
      const frame = this.sent.shift();
      if (frame === undefined) throw new Error(`the client sent no ${kind}`);
      if (frame.kind === kind) return frame as Extract<Frame, { kind: K }>;
    }
  }
}

export const WELCOME: Frame = {
  kind: "welcome",
  fields: {
    session: SESSION,
    state: "active",
    viewer: VIEWER,
    host_online: true,
    computer: "PC-7",
    os: "Debian 12",
    user: "eva",
    kinds: ["control"],
    code: 1,
    tries: 0,
    attempts: 0,
    expires_at: 1_800_000_000,
    now: 1_799_990_000,
  },
};

/** A client that the relay has admitted. */
export function admitted(): { client: TunnelClient; socket: FakeSocket } {
  const { client, socket } = dialled();
  socket.open();
  socket.deliver(WELCOME);
  socket.sent.length = 0;
  return { client, socket };
}

export function dialled(): { client: TunnelClient; socket: FakeSocket } {
  const socket = new FakeSocket();
  const client = new TunnelClient({
    url: "wss://relay.example/tunnel/viewer",
    ticket: TICKET,
    program: "test",
    createSocket: () => socket,
    isHidden: () => socket.isHidden,
  });
  return { client, socket };
}

export interface HostSecrets {
  prs: Bytes;
  channel: string;
  facts?: Bytes;
  /** What to do instead of confirming a tag that does not fit. */
  wrong: CloseReason;
}

/** Answers one stream's OPEN and handshake as a host would; `ready` gives the ends of its records. */
export class FakeHost {
  readonly ready: Promise<{ sealer: Sealer; opener: Opener; stream: number; payloads: Bytes[] }>;

  constructor(socket: FakeSocket, secrets: HostSecrets) {
    const payloads: Bytes[] = [];
    const waiting: ((payload: Bytes) => void)[] = [];
    this.ready = new Promise((resolve, reject) => {
      socket.onframe = (frame) => {
        if (frame.kind === "open") {
          const next = new Promise<Bytes>((give) => waiting.push(give));
          shake(socket, frame, next, secrets).then((ends) => resolve({ ...ends, payloads }), reject);
        } else if (frame.kind === "data") {
          const give = waiting.shift();
          if (give === undefined) payloads.push(frame.payload);
          else give(frame.payload);
        }
      };
    });
    this.ready.catch(() => undefined);
  }
}

async function shake(
  socket: FakeSocket,
  opening: Extract<Frame, { kind: "open" }>,
  firstPayload: Promise<Bytes>,
  secrets: HostSecrets,
): Promise<{ sealer: Sealer; opener: Opener; stream: number }> {
  const { stream, params } = opening;
  const facts = secrets.facts ?? NO_DETAILS;
  const claims = params["claims"] as Bytes;
  const nonce = crypto.getRandomValues(new Uint8Array(16));
  const place = [utf8(ORIGIN), utf8(SESSION)];
  const sid = new Uint8Array(
    await crypto.subtle.digest(
      "SHA-256",
      cpace.lvCat(
        ...place,
        utf8(secrets.channel),
        u32(stream),
        u64(Number(params["code"] ?? 0)),
        u64(Number(params["attempt"] ?? 0)),
        params["nonce"] as Bytes,
        nonce,
      ),
    ),
  );
  const ci = cpace.lvCat(utf8("adhoc.v1"), utf8(secrets.channel), ...place);
  const scalar = crypto.getRandomValues(new Uint8Array(32));
  const share = await cpace.multiply(scalar, await cpace.calculateGenerator(secrets.prs, ci, sid));
  socket.deliver({ kind: "accept", stream, credit: 262_144, params: { nonce, share, facts } });

  const message = decodeMap(await firstPayload, { share: binary(32), tag: binary(64) }, "share");
  const k = await cpace.multiply(scalar, cpace.checkShare(message.share));
  const isk = await cpace.deriveIsk(sid, k, cpace.makeTranscript(share, facts, message.share, claims));
  const key = await cpace.confirmationKey(isk, sid);
  if (!(await cpace.verifyConfirmation(key, message.tag, message.share, claims))) {
    socket.deliver({ kind: "close", stream, reason: secrets.wrong });
    throw new Error("the tag does not fit");
  }
  const record = (direction: string): Bytes => cpace.lvCat(utf8("adhoc.v1 record"), u32(stream), utf8(direction));
  const sealer = new Sealer(await hkdf(isk, sid, record("h2v")), stream, Direction.HOST_TO_VIEWER);
  const opener = new Opener(await hkdf(isk, sid, record("v2h")), stream, Direction.VIEWER_TO_HOST);
  const tag = await cpace.confirmationTag(key, share, facts);
  socket.deliver({ kind: "data", stream, payload: encodeMap({ tag }) });
  return { sealer, opener, stream };
}

/** The shared secret of a connection, as the host computes it. */
export function connectionSecret(pairingKey: Bytes, password: string): Bytes {
  return cpace.lvCat(utf8("adhoc.v1 connect"), pairingKey, utf8(password));
}

/** The shared secret of a pairing, as the host computes it. */
export function pairingSecret(inviteSecret: Bytes, code: string): Bytes {
  return cpace.lvCat(utf8("adhoc.v1 pair"), inviteSecret, utf8(code));
}
