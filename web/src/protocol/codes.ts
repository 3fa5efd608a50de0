/** Security codes and access passwords, made in this browser and read leniently; see `relay/protocol/codes.py`. */
import { randomBytes, utf8, type Bytes } from "./bytes";

export const CODE_DIGITS = 9;
export const MAX_TRIES_PER_CODE = 5;
export const MAX_CODES = 3;
export const MAX_ATTEMPTS = MAX_TRIES_PER_CODE * MAX_CODES;
export const MAX_PASSWORD_BYTES = 256;

/** Lower-case letters without l and o, digits without 0 and 1: 32 characters that a person can read out. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";
const CODES = 10 ** CODE_DIGITS;
/** The largest multiple of 10⁹ below 2³²: draws from there on are rejected, so that no code is likelier. */
const FAIR_DRAWS = Math.floor(2 ** 32 / CODES) * CODES;
const SEPARATOR = /[\s.\-_\u2010-\u2015\u2212\uff0d]/gu;
const DECIMAL = /^\p{Nd}$/u;
const MAX_TYPED_CHARACTERS = 64;

/** What was typed cannot be a security code or access password; `message` says why. */
export class CodeError extends Error {
  override readonly name = "CodeError";
}

/** A fresh code: 9 ASCII digits. */
export function newSecurityCode(random: (size: number) => Bytes = randomBytes): string {
  for (;;) {
    const draw = new DataView(random(4).buffer).getUint32(0);
    if (draw < FAIR_DRAWS) return String(draw % CODES).padStart(CODE_DIGITS, "0");
  }
}

/** The code as people read it: `123 456 789`. */
export function formatSecurityCode(code: string): string {
  return `${code.slice(0, 3)} ${code.slice(3, 6)} ${code.slice(6)}`;
}

/**
 * Reads a code as people type it: with spaces, dashes or dots, in any script's digits.
 *
 * @throws CodeError unless it is 9 digits.
 */
export function parseSecurityCode(typed: string): string {
  if (typed.length <= MAX_TYPED_CHARACTERS) {
    const digits = Array.from(typed.replace(SEPARATOR, ""), decimalOf);
    if (digits.length === CODE_DIGITS && !digits.includes(null)) return digits.join("");
  }
  throw new CodeError("A security code has nine digits, for example 123 456 789.");
}

/** A fresh access password like `k7mp-w2xa-9tfe`: 60 bits. */
export function proposeAccessPassword(random: (size: number) => Bytes = randomBytes): string {
  const letters = Array.from(random(12), (byte) => ALPHABET.charAt(byte % ALPHABET.length)).join("");
  return `${letters.slice(0, 4)}-${letters.slice(4, 8)}-${letters.slice(8)}`;
}

/**
 * The access password as both sides must hash it: NFC.
 *
 * @throws CodeError if it is empty, longer than 256 bytes of UTF-8, or has control characters or lone surrogates.
 */
export function normaliseAccessPassword(typed: string): string {
  if (typed === "") throw new CodeError("An access password must not be empty.");
  const isTooLong = (text: string): boolean => utf8(text).length > MAX_PASSWORD_BYTES;
  const tooLong = new CodeError(`An access password has at most ${MAX_PASSWORD_BYTES} bytes.`);
  if (Array.from(typed).length > MAX_PASSWORD_BYTES) throw tooLong;
  const password = typed.normalize("NFC");
  if (/[\p{Cc}\p{Cs}]/u.test(password)) {
    throw new CodeError("An access password must not contain control characters.");
  }
  if (isTooLong(password)) throw tooLong;
  return password;
}

/** Unicode's decimal digits come in runs of ten, zero first: the value is the place in the run. */
function decimalOf(character: string): number | null {
  if (!DECIMAL.test(character)) return null;
  const point = character.codePointAt(0) ?? 0;
  let before = 0;
  while (DECIMAL.test(String.fromCodePoint(point - before - 1))) before += 1;
  return before % 10;
}
