/**
 * Messages inside a sealed stream: how the File Manager and the tools after it speak (docs/protocol.md §8); the mirror
 * of `relay/protocol/messages.py`.
 *
 *     u32 bytes of the head | u32 bytes of the body | head | body        big-endian
 *
 * The head is a msgpack map of plain values. What comes is untrusted: sizes are checked before anything is kept for
 * them, and `MessageFields` is the one way to read a head.
 */
import { decode, encode } from "@msgpack/msgpack";
import { concat, owned, u32, type Bytes } from "./bytes";
import { RemoteProtocolError } from "./errors";
import { isMap } from "./maps";

export const MAX_HEAD_BYTES = 256 * 1024;
export const MAX_BODY_BYTES = 1024 * 1024;

const SIZES_BYTES = 8;
const MAX_ITEMS = 4096;
const NOTHING: Bytes = new Uint8Array(0);

export interface Message {
  readonly head: Readonly<Record<string, unknown>>;
  /** As it came: what its head costs in memory is in proportion to it. */
  readonly headBytes: number;
  readonly body: Bytes;
}

/** The bytes of one message. */
export function encodeMessage(head: Readonly<Record<string, unknown>>, body: Uint8Array = NOTHING): Bytes {
  const packed = encode(head, { ignoreUndefined: true });
  return concat(u32(packed.length), u32(body.length), packed, body);
}

/**
 * Untrusted bytes in, messages out; keeps what is not complete yet, at most one message and a piece.
 *
 * A body is copied once, into a buffer of its own: whoever takes it may hand it on to a worker.
 */
export class MessageDecoder {
  /** What has come and is not taken, in order; of the first piece, what begins at `#start`. */
  readonly #pieces: Bytes[] = [];
  #start = 0;
  #size = 0;
  /** Of the message under way, once they are known. */
  #headSize = -1;
  #bodySize = 0;

  /** True if an end now would cut nothing in two. */
  get isBetweenMessages(): boolean {
    return this.#size === 0 && this.#headSize < 0;
  }

  /**
   * The messages that `data` completes, in order.
   *
   * @throws RemoteProtocolError if one is too large or malformed; the decoder is of no more use then.
   */
  feed(data: Bytes): Message[] {
    this.#pieces.push(data);
    this.#size += data.length;
    const found: Message[] = [];
    for (let message = this.#next(); message !== null; message = this.#next()) found.push(message);
    return found;
  }

  #next(): Message | null {
    if (this.#headSize < 0) {
      if (this.#size < SIZES_BYTES) return null;
      const sizes = new DataView(this.#take(SIZES_BYTES).buffer);
      this.#headSize = sizes.getUint32(0);
      this.#bodySize = sizes.getUint32(4);
      if (this.#headSize > MAX_HEAD_BYTES || this.#bodySize > MAX_BODY_BYTES) {
        throw new RemoteProtocolError("A message is too large.");
      }
    }
    if (this.#size < this.#headSize + this.#bodySize) return null;
    const headBytes = this.#headSize;
    const head = decodeHead(this.#take(headBytes));
    this.#headSize = -1;
    return { head, headBytes, body: this.#bodySize === 0 ? NOTHING : this.#take(this.#bodySize) };
  }

  /** The next `size` bytes, which have come, in a buffer of their own. */
  #take(size: number): Bytes {
    const taken = new Uint8Array(size);
    let at = 0;
    for (let piece = this.#pieces[0]; at < size && piece !== undefined; piece = this.#pieces[0]) {
      const part = piece.subarray(this.#start, this.#start + size - at);
      taken.set(part, at);
      at += part.length;
      this.#start += part.length;
      if (this.#start < piece.length) break;
      this.#pieces.shift();
      this.#start = 0;
    }
    this.#size -= size;
    return taken;
  }
}

function decodeHead(data: Bytes): Record<string, unknown> {
  let head: unknown;
  try {
    head = decode(data, {
      maxStrLength: MAX_HEAD_BYTES,
      maxBinLength: MAX_HEAD_BYTES,
      maxArrayLength: MAX_ITEMS,
      maxMapLength: MAX_ITEMS,
      maxExtLength: 0,
      mapKeyConverter: (key) => {
        if (typeof key !== "string") throw new Error("a key is not a string");
        return key;
      },
    });
  } catch {
    throw new RemoteProtocolError("A message's head is not msgpack as agreed.");
  }
  if (!isMap(head)) throw new RemoteProtocolError("A message's head is not a map of names.");
  return head;
}

/** Reads an untrusted map; every miss is a RemoteProtocolError. */
export class MessageFields {
  constructor(private readonly map: Readonly<Record<string, unknown>>) {}

  /** @throws RemoteProtocolError unless `value` is a map. */
  static of(value: unknown): MessageFields {
    if (!isMap(value)) throw new RemoteProtocolError("A map was expected.");
    return new MessageFields(value);
  }

  has(name: string): boolean {
    return this.#get(name) !== null;
  }

  text(name: string, maxLength = 1024): string {
    const value = this.#get(name);
    if (typeof value !== "string" || value.length > maxLength) throw wrong(name);
    return value;
  }

  /** Any finite number in `low` … `high`. */
  number(name: string, low = 0, high: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) throw wrong(name);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#get(name);
    if (typeof value !== "boolean") throw wrong(name);
    return value;
  }

  bytes(name: string, length: number): Bytes {
    const value = this.#get(name);
    if (!(value instanceof Uint8Array) || value.length !== length) throw wrong(name);
    return owned(value);
  }

  fields(name: string): MessageFields {
    return MessageFields.of(this.#get(name));
  }

  list(name: string): readonly unknown[] {
    const value = this.#get(name);
    if (!Array.isArray(value)) throw wrong(name);
    return value as unknown[];
  }

  /** A name or path: text, or bytes that are none. */
  name(name: string): Name {
    const value = this.#get(name);
    if (typeof value === "string" && value.length <= MAX_NAME) return value;
    if (value instanceof Uint8Array && value.length <= MAX_NAME) return owned(value);
    throw wrong(name);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.map, name) ? (this.map[name] ?? null) : null;
  }
}

/** A name or path on the computer: text, or bytes where it is no UTF-8. */
export type Name = string | Bytes;

const MAX_NAME = 4096;

function wrong(name: string): RemoteProtocolError {
  return new RemoteProtocolError(`The field ${name} is missing or of the wrong kind.`);
}
