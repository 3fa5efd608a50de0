/**
 * Msgpack maps of a fixed shape: the small messages of docs/protocol.md §5. The mirror of `relay/protocol/maps.py`:
 * a map with a key too few or too many is refused; whatever the decoder throws leaves here as RemoteProtocolError.
 */
import { decode, encode } from "@msgpack/msgpack";
import { owned, utf8, type Bytes } from "./bytes";
import { RemoteProtocolError } from "./errors";

/** A check that one value must pass, with the type it then has. */
export type Check<T> = (value: unknown) => value is T;
export type Shape = Record<string, Check<unknown>>;
export type Checked<S extends Shape> = { [K in keyof S]: S[K] extends Check<infer T> ? T : never };

export const MAX_TEXT_BYTES = 1024;
export const MAX_MAP_BYTES = 4096;
export const MAX_LIST_ITEMS = 32;

/** A byte string of exactly `size` bytes. */
export function binary(size: number): Check<Bytes> {
  return (value): value is Bytes => value instanceof Uint8Array && value.length === size;
}

/** A byte string of at most `maxBytes`. */
export function binaryUpTo(maxBytes: number): Check<Bytes> {
  return (value): value is Bytes => value instanceof Uint8Array && value.length <= maxBytes;
}

/** A whole number in `low` … `high`. */
export function integer(low: number, high: number): Check<number> {
  return (value): value is number => Number.isSafeInteger(value) && Number(value) >= low && Number(value) <= high;
}

/** A string of at most 1024 bytes of UTF-8. */
export const text: Check<string> = (value): value is string =>
  typeof value === "string" && value.length <= MAX_TEXT_BYTES && utf8(value).length <= MAX_TEXT_BYTES;

/** An array of at most 32 such strings. */
export const texts: Check<string[]> = (value): value is string[] =>
  Array.isArray(value) && value.length <= MAX_LIST_ITEMS && value.every((item) => text(item));

/** True or false. */
export const boolean: Check<boolean> = (value): value is boolean => typeof value === "boolean";

/** @throws RemoteProtocolError with BAD_FRAME, unless `value` has exactly the keys and types of `shape`. */
export function checkMap<S extends Shape>(value: unknown, shape: S, what: string): Checked<S> {
  if (!isMap(value)) throw new RemoteProtocolError(`The ${what} is not a map.`);
  const keys = Object.keys(shape);
  if (Object.keys(value).length !== keys.length || !keys.every((key) => Object.hasOwn(value, key))) {
    throw new RemoteProtocolError(`The ${what} must have the keys ${keys.join(", ")} and no others.`);
  }
  for (const [key, isValid] of Object.entries(shape)) {
    if (!isValid(value[key])) throw new RemoteProtocolError(`The ${what} has a wrong ${key}.`);
  }
  return value as Checked<S>;
}

/** Decodes untrusted msgpack of at most `MAX_MAP_BYTES` into a map of exactly this shape. */
export function decodeMap<S extends Shape>(data: Uint8Array, shape: S, what: string): Checked<S> {
  if (data.length > MAX_MAP_BYTES) throw new RemoteProtocolError(`The ${what} is too large.`);
  return checkMap(decodeUntrusted(data, what), shape, what);
}

/** The msgpack of a map, keys in the order given. */
export function encodeMap(value: Record<string, unknown>): Bytes {
  return owned(encode(value));
}

/** Whatever msgpack value `data` holds, within the protocol's limits; a byte too many is refused. */
export function decodeUntrusted(data: Uint8Array, what: string): unknown {
  try {
    return decode(data, {
      maxStrLength: MAX_TEXT_BYTES,
      maxBinLength: MAX_MAP_BYTES,
      maxArrayLength: MAX_LIST_ITEMS,
      maxMapLength: MAX_LIST_ITEMS,
      maxExtLength: 0,
      mapKeyConverter: textKey,
    });
  } catch {
    throw new RemoteProtocolError(`The ${what} is not msgpack as agreed.`);
  }
}

/** A msgpack map, as opposed to an array, bytes, or one of the decoder's own objects. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function textKey(key: unknown): string {
  if (typeof key !== "string") throw new Error("a key is not a string");
  return key;
}
