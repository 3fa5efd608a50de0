/**
 * CPace-X25519-SHA512, initiator-responder (draft-irtf-cfrg-cpace): the arithmetic, without any state. The mirror of
 * `relay/protocol/cpace.py`, which explains it; both pass the draft's vectors.
 *
 * X25519 is the browser's (WebCrypto). Shares that are not canonical and results that are all zero are refused
 * here, because browsers differ about them.
 */
import { concat, utf8, type Bytes } from "./bytes";
import { CloseReason } from "./closeReasons";
import { RemoteProtocolError } from "./errors";

export const SHARE_BYTES = 32;
export const SCALAR_BYTES = 32;
export const TAG_BYTES = 64;

const DSI = utf8("CPace255");
const HASH_BLOCK_BYTES = 128;
const P = 2n ** 255n - 19n;
const J = 486662n;
/** PKCS #8 of an X25519 private key (RFC 8410) up to the 32 bytes of the key itself. */
const PKCS8_PREFIX = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 110, 4, 34, 4, 32);

/** Each part behind its length in LEB128, concatenated (the draft's `lv_cat`). */
export function lvCat(...parts: Uint8Array[]): Bytes {
  return concat(...parts.flatMap((part) => [leb128(part.length), part]));
}

/** SHA-512 of all parts. */
export async function sha512(...parts: Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-512", concat(...parts)));
}

/** The generator of one run: 32 bytes, a u coordinate on Curve25519. */
export async function calculateGenerator(prs: Uint8Array, ci: Uint8Array, sid: Uint8Array): Promise<Bytes> {
  const padding = Math.max(0, HASH_BLOCK_BYTES - 1 - lvCat(prs).length - lvCat(DSI).length);
  const digest = await sha512(lvCat(DSI, prs, new Uint8Array(padding), ci, sid));
  return toBytes(elligator2(toInteger(digest.subarray(0, 32)) % 2n ** 255n));
}

/** Maps any integer to the u coordinate of a point of Curve25519 (RFC 9380 §6.7.1, Z = 2). */
export function elligator2(u: bigint): bigint {
  const v = modulo(-J * power(1n + 2n * u * u, P - 2n));
  const symbol = power(v * (v * v + J * v + 1n), (P - 1n) / 2n);
  return symbol <= 1n ? v : modulo(-v - J);
}

/**
 * X25519 of a 32-byte scalar and a point that came from `calculateGenerator` or `checkShare`.
 *
 * @throws RemoteProtocolError with SEAL_BROKEN, if the result is all zero (the point has low order).
 */
export async function multiply(scalar: Bytes, point: Bytes): Promise<Bytes> {
  const weak = (): RemoteProtocolError =>
    new RemoteProtocolError("The key share is a weak point.", CloseReason.SEAL_BROKEN);
  const subtle = crypto.subtle;
  const secret = await subtle.importKey("pkcs8", concat(PKCS8_PREFIX, scalar), "X25519", false, ["deriveBits"]);
  let product: Bytes;
  try {
    const publicKey = await subtle.importKey("raw", point, "X25519", true, []);
    product = new Uint8Array(await subtle.deriveBits({ name: "X25519", public: publicKey }, secret, 256));
  } catch {
    throw weak();
  }
  if (product.every((byte) => byte === 0)) throw weak();
  return product;
}

/**
 * The other side's 32-byte share, if it is the canonical encoding of a field element.
 *
 * @throws RemoteProtocolError with SEAL_BROKEN, if it is at least 2²⁵⁵-19 (a set top bit included).
 */
export function checkShare(share: Bytes): Bytes {
  if (toInteger(share) >= P) {
    throw new RemoteProtocolError("The key share is not a canonical number.", CloseReason.SEAL_BROKEN);
  }
  return share;
}

/** The intermediate session key, 64 bytes, from the common point `k`. */
export function deriveIsk(sid: Uint8Array, k: Uint8Array, transcript: Uint8Array): Promise<Bytes> {
  return sha512(lvCat(concat(DSI, utf8("_ISK")), sid, k), transcript);
}

/** Both shares and both sides' associated data, the initiator's first (the draft's `transcript_ir`). */
export function makeTranscript(ya: Uint8Array, adA: Uint8Array, yb: Uint8Array, adB: Uint8Array): Bytes {
  return lvCat(ya, adA, yb, adB);
}

/** The HMAC key of the confirmation tags. */
export async function confirmationKey(isk: Uint8Array, sid: Uint8Array): Promise<CryptoKey> {
  const key = await sha512(utf8("CPaceMac"), sid, isk);
  return crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-512" }, false, ["sign", "verify"]);
}

/** The 64 bytes by which the sender of `share` and `details` proves that it knows the key. */
export async function confirmationTag(key: CryptoKey, share: Uint8Array, details: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, lvCat(share, details)));
}

/** Whether `tag` is the other side's confirmation; compared in constant time by WebCrypto. */
export function verifyConfirmation(
  key: CryptoKey,
  tag: Bytes,
  share: Uint8Array,
  details: Uint8Array,
): Promise<boolean> {
  return crypto.subtle.verify("HMAC", key, tag, lvCat(share, details));
}

function leb128(length: number): Bytes {
  const encoded: number[] = [];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) encoded.push(0x80 | (rest & 0x7f));
  return Uint8Array.of(...encoded, rest);
}

function modulo(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = modulo(base);
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function toInteger(littleEndian: Uint8Array): bigint {
  return littleEndian.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function toBytes(value: bigint): Bytes {
  return Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}
