/**
 * Frames: what one binary WebSocket message holds (docs/protocol.md §2), as `relay/protocol/frames.py` has it.
 *
 *     1 HELLO    [1, 0, version, role, secret, about]    5 OPEN    [5, stream, channel, credit, params]
 *     2 WELCOME  [2, 0, fields]                          6 ACCEPT  [6, stream, credit, params]
 *     3 DATA     [3, stream, payload]                    7 CLOSE   [7, stream, reason]
 *     4 CREDIT   [4, stream, bytes]                      8 NOTICE  [8, 0, name, fields]
 *
 * `decodeFrame` is the one door for untrusted bytes. DATA is not decoded by msgpack at all, and its payload is a
 * view of the message. (A float that is a whole number cannot be told from an integer here; the relay refuses it.)
 */
import { encode } from "@msgpack/msgpack";
import { owned, utf8, type Bytes } from "./bytes";
import { CloseReason } from "./closeReasons";
import { RemoteProtocolError } from "./errors";
import { binaryUpTo, decodeUntrusted, integer, isMap, MAX_MAP_BYTES, text, texts, type Check } from "./maps";

export const PROTOCOL_VERSION = 1;
export const SUBPROTOCOL = "adhoc.v1";
export const MAX_CREDIT = 1 << 24;
export const MAX_SMALL_FRAME_BYTES = 16 * 1024;
export const CHANNELS = ["pair", "control", "files", "dashboard", "shell", "chat"] as const;

export type Channel = (typeof CHANNELS)[number];
export type Value = null | boolean | number | string | Bytes | string[];
/** The untrusted map of a frame; read it with `FieldReader`. */
export type Fields = Record<string, Value>;

export type Frame =
  | { kind: "hello"; version: number; role: "host" | "viewer"; secret: Bytes; about: Fields }
  | { kind: "welcome"; fields: Fields }
  | { kind: "data"; stream: number; payload: Bytes }
  | { kind: "credit"; stream: number; amount: number }
  | { kind: "open"; stream: number; channel: Channel; credit: number; params: Fields }
  | { kind: "accept"; stream: number; credit: number; params: Fields }
  | { kind: "close"; stream: number; reason: CloseReason }
  | { kind: "notice"; name: string; fields: Fields };

/** The largest DATA payload of a channel: the plaintext of one record and 64 bytes of room for its seal. */
export function maxPayloadBytes(channel: Channel): number {
  return (channel === "files" ? 1024 * 1024 : 64 * 1024) + 64;
}

/** The bytes of a frame's message. The caller answers for its sizes. */
export function encodeFrame(frame: Frame): Bytes {
  switch (frame.kind) {
    case "hello":
      return pack(1, 0, frame.version, frame.role, frame.secret, frame.about);
    case "welcome":
      return pack(2, 0, frame.fields);
    case "data":
      return encodeData(frame.stream, frame.payload);
    case "credit":
      return pack(4, frame.stream, frame.amount);
    case "open":
      return pack(5, frame.stream, frame.channel, frame.credit, frame.params);
    case "accept":
      return pack(6, frame.stream, frame.credit, frame.params);
    case "close":
      return pack(7, frame.stream, frame.reason.wire);
    case "notice":
      return pack(8, 0, frame.name, frame.fields);
  }
}

/** The size of the DATA message that carries a payload of `length` bytes; what credit counts. */
export function dataFrameBytes(length: number): number {
  return length + (length < 0x100 ? 9 : length < 0x10000 ? 10 : 12);
}

/** A DATA frame's message: `93 03`, the stream as `ce` u32, the bin header, the payload. */
export function encodeData(stream: number, payload: Uint8Array): Bytes {
  const message = new Uint8Array(dataFrameBytes(payload.length));
  const view = new DataView(message.buffer);
  view.setUint32(0, 0x9303ce00);
  view.setUint32(3, stream);
  if (payload.length < 0x100) {
    view.setUint16(7, 0xc400 | payload.length);
  } else if (payload.length < 0x10000) {
    view.setUint8(7, 0xc5);
    view.setUint16(8, payload.length);
  } else {
    view.setUint8(7, 0xc6);
    view.setUint32(8, payload.length);
  }
  message.set(payload, message.length - payload.length);
  return message;
}

/**
 * Reads one untrusted message.
 *
 * @throws RemoteProtocolError unless it is exactly one frame of docs/protocol.md §2.
 */
export function decodeFrame(message: Uint8Array): Frame {
  const data = decodeData(owned(message));
  if (data !== null) return data;
  if (message.length > MAX_SMALL_FRAME_BYTES) {
    throw new RemoteProtocolError("A frame other than DATA is too large.", CloseReason.TOO_LARGE);
  }
  const parts = decodeUntrusted(message, "frame");
  if (!Array.isArray(parts)) throw new RemoteProtocolError("A frame is not an array.");
  return checkParts(parts);
}

function decodeData(message: Bytes): Frame | null {
  const size = message.length;
  if (size < 9 || message[0] !== 0x93 || message[1] !== 3 || message[2] !== 0xce) return null;
  const view = new DataView(message.buffer, message.byteOffset, size);
  const marker = message[7];
  let header: number;
  let length: number;
  if (marker === 0xc4) {
    [header, length] = [9, view.getUint8(8)];
  } else if (marker === 0xc5 && size >= 10) {
    [header, length] = [10, view.getUint16(8)];
  } else if (marker === 0xc6 && size >= 12) {
    [header, length] = [12, view.getUint32(8)];
  } else {
    return null;
  }
  const stream = view.getUint32(3);
  if (size !== header + length || stream <= 0xffff) return null;
  return { kind: "data", stream, payload: message.subarray(header) };
}

const isByte = integer(0, 0xff);
const isStream = integer(0, 0xffff_ffff);
const isCredit = integer(1, MAX_CREDIT);

function checkParts(parts: unknown[]): Frame {
  const [kind, stream, first, second, third, fourth] = parts;
  if (!isByte(kind) || !isStream(stream)) throw bad();
  const belongsToConnection = kind === 1 || kind === 2 || kind === 8;
  if (belongsToConnection ? stream !== 0 : stream <= 0xffff && !(kind === 7 && stream === 0)) throw bad();
  switch (`${kind}/${parts.length}`) {
    case "1/6":
      if (!isVersion(first) || !isRole(second) || !isSecret(third)) throw bad();
      return { kind: "hello", version: first, role: second, secret: third, about: checkFields(fourth) };
    case "2/3":
      return { kind: "welcome", fields: checkFields(first) };
    case "4/3":
      if (!isCredit(first)) throw bad();
      return { kind: "credit", stream, amount: first };
    case "5/5":
      if (!isChannel(first) || !isCredit(second)) throw bad();
      return { kind: "open", stream, channel: first, credit: second, params: checkFields(third) };
    case "6/4":
      if (!isCredit(first)) throw bad();
      return { kind: "accept", stream, credit: first, params: checkFields(second) };
    case "7/3":
      if (!isShortText(first, 64)) throw bad();
      return { kind: "close", stream, reason: CloseReason.fromWire(first) };
    case "8/4":
      if (!isShortText(first, 32)) throw bad();
      return { kind: "notice", name: first, fields: checkFields(second) };
    default:
      throw bad();
  }
}

const isVersion = integer(0, 0xffff);
const isBinary = binaryUpTo(MAX_MAP_BYTES);
const isSecret: Check<Bytes> = (value): value is Bytes => isBinary(value) && value.length >= 16 && value.length <= 64;
const isRole = (value: unknown): value is "host" | "viewer" => value === "host" || value === "viewer";

/** Whether `value` names a channel. */
export function isChannel(value: unknown): value is Channel {
  return CHANNELS.some((channel) => channel === value);
}

function isShortText(value: unknown, maxBytes: number): value is string {
  return text(value) && utf8(value).length <= maxBytes;
}

function checkFields(value: unknown): Fields {
  if (!isMap(value)) throw bad();
  for (const [key, item] of Object.entries(value)) {
    const isAllowed =
      item === null ||
      typeof item === "boolean" ||
      Number.isSafeInteger(item) ||
      text(item) ||
      texts(item) ||
      isBinary(item);
    if (!isAllowed || !isShortText(key, 32)) throw bad();
  }
  return value as Fields;
}

function bad(): RemoteProtocolError {
  return new RemoteProtocolError("A frame could not be understood.");
}

function pack(...parts: unknown[]): Bytes {
  return owned(encode(parts));
}

/** Typed reading of a frame's untrusted map; every miss is a RemoteProtocolError. */
export class FieldReader {
  constructor(private readonly fields: Fields) {}

  text(name: string): string {
    return this.read(name, (value): value is string => typeof value === "string", "text");
  }

  number(name: string): number {
    return this.read(name, (value): value is number => typeof value === "number", "a number");
  }

  flag(name: string): boolean {
    return this.read(name, (value): value is boolean => typeof value === "boolean", "true or false");
  }

  texts(name: string): string[] {
    return this.read(name, (value): value is string[] => Array.isArray(value), "a list of texts");
  }

  /** The number `name`, or null where it is nil or absent. */
  optionalNumber(name: string): number | null {
    return this.get(name) === null ? null : this.number(name);
  }

  /** The text `name`, or null where it is nil or absent. */
  optionalText(name: string): string | null {
    return this.get(name) === null ? null : this.text(name);
  }

  private read<T extends Value>(name: string, isValid: (value: Value) => value is T, what: string): T {
    const value = this.get(name);
    if (!isValid(value)) throw new RemoteProtocolError(`The field ${name} must be ${what}.`);
    return value;
  }

  private get(name: string): Value {
    return Object.hasOwn(this.fields, name) ? (this.fields[name] ?? null) : null;
  }
}
