/** For tests: the vectors that Python and TypeScript share (`tests/vectors/`). Binary values are hexadecimal. */
import { readFileSync } from "node:fs";
import type { Bytes } from "../bytes";

export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../../tests/vectors/${name}.json`, import.meta.url), "utf8")) as T;
}

export function fromHex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A stand-in for randomness: bytes that count up from `first`, the next call going on from there. */
export function countingBytes(first: number): (size: number) => Bytes {
  let position = first;
  return (size) => Uint8Array.from({ length: size }, () => position++ % 256);
}
