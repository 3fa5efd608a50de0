/**
 * The place in a downloaded host file that carries one customer's deployment link, by the same rules as
 * `relay/protocol/link_blob.py`, which explains it. Written by the customer's page, so that the relay never sees the link.
 */
import { type Bytes, utf8 } from "./bytes";
import { LinkError, MAX_LINK_CHARACTERS } from "./links";

const MARKER = utf8("ADHOC-LINK-BLOB1");
const HEADER_BYTES = MARKER.length + 2;

/** Of the region at the end of a file; one inside a signature may be smaller. */
export const BLOB_BYTES = 2304;

/** In so many bytes at the end of its own file a host looks for the marker. */
export const TAIL_BYTES = 64 * 1024;

/**
 * The region of the same size that carries `text`.
 *
 * @param region as it is in the file; of any content.
 * @throws LinkError if it is no such region, or `text` does not fit, or could not be found again.
 */
export function writeLink(region: Uint8Array, text: string): Bytes {
  if (!hasMarkerAt(region, 0) || region.length <= HEADER_BYTES || region.length > BLOB_BYTES) {
    throw new LinkError("This file has no place for a deployment link.");
  }
  if (/\p{Surrogate}/u.test(text)) throw new LinkError("The deployment link has characters that no text has.");
  const data = utf8(text);
  if (data.length > Math.min(MAX_LINK_CHARACTERS, region.length - HEADER_BYTES)) {
    throw new LinkError("The deployment link is too long for this file.");
  }
  // A reader takes the last marker.
  if (findBlob(data) !== null) throw new LinkError("The deployment link has what marks its place in the file.");
  const written = new Uint8Array(region.length);
  written.set(MARKER);
  new DataView(written.buffer).setUint16(MARKER.length, data.length, true);
  written.set(data, HEADER_BYTES);
  return written;
}

/** Where in `tail`, the end of a file, the last region begins; null if there is none. */
export function findBlob(tail: Uint8Array): number | null {
  for (let at = tail.length - MARKER.length; at >= 0; at -= 1) {
    if (hasMarkerAt(tail, at)) return at;
  }
  return null;
}

/**
 * The text in the last region of `tail`, the end of a file; empty if none was written.
 *
 * @throws LinkError if there is no region, or what is in it is no text, or ends too early.
 */
export function readLink(tail: Uint8Array): string {
  const at = findBlob(tail);
  if (at === null) throw new LinkError("This file is not complete; please download it again.");
  const damaged = new LinkError("The link in this file is damaged; please download it again.");
  const text = tail.subarray(at + HEADER_BYTES);
  if (tail.length < at + HEADER_BYTES) throw damaged;
  const size = new DataView(tail.buffer, tail.byteOffset + at).getUint16(MARKER.length, true);
  if (size > Math.min(MAX_LINK_CHARACTERS, text.length)) throw damaged;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text.subarray(0, size));
  } catch {
    throw damaged;
  }
}

function hasMarkerAt(data: Uint8Array, at: number): boolean {
  return at + MARKER.length <= data.length && MARKER.every((byte, place) => data[at + place] === byte);
}
