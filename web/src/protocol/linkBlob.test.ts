import { expect, test } from "vitest";
import { utf8 } from "./bytes";
import { BLOB_BYTES, TAIL_BYTES, findBlob, readLink, writeLink } from "./linkBlob";
import { LinkError } from "./links";
import { fromHex, loadVectors, toHex } from "./testing/vectors";

interface Region {
  what: string;
  size: number;
  text: string;
}

const vectors = loadVectors<{
  marker: string;
  blob_bytes: number;
  tail_bytes: number;
  written: (Region & { begins: string })[];
  not_written: Region[];
  no_regions: { what: string; region: string }[];
  read: { what: string; tail: string; text: string }[];
  damaged: { what: string; tail: string }[];
}>("link-blob");

function empty(size: number): Uint8Array {
  const region = new Uint8Array(size);
  region.set(utf8(vectors.marker));
  return region;
}

test("sizes are those of Python", () => {
  expect([BLOB_BYTES, TAIL_BYTES]).toEqual([vectors.blob_bytes, vectors.tail_bytes]);
});

test.each(vectors.written)("$what is written as Python writes it, and reads back", ({ size, text, begins }) => {
  const region = writeLink(empty(size), text);
  expect(toHex(region)).toBe(begins.padEnd(2 * size, "0"));
  expect(readLink(region)).toBe(text);
  expect(writeLink(region, "")).toEqual(empty(size));
});

test.each(vectors.not_written)("$what is not written", ({ size, text }) => {
  expect(() => writeLink(empty(size), text)).toThrow(LinkError);
});

test("half a character is not written", () => {
  expect(() => writeLink(empty(BLOB_BYTES), "\ud800")).toThrow(LinkError);
});

test.each(vectors.no_regions)("$what is no region", ({ region }) => {
  expect(() => writeLink(fromHex(region), "")).toThrow(LinkError);
});

test.each(vectors.read)("$what is read", ({ tail, text }) => {
  expect(readLink(fromHex(tail))).toBe(text);
});

test.each(vectors.damaged)("$what is damaged", ({ tail }) => {
  expect(() => readLink(fromHex(tail))).toThrow(LinkError);
});

test("a view into a larger buffer is read where it lies", () => {
  const file = new Uint8Array(5000);
  file.set(writeLink(empty(600), "text"), 4000);
  expect(findBlob(file)).toBe(4000);
  expect(readLink(file.subarray(3990, 4700))).toBe("text");
});
