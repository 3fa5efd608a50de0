/** Turns a fetched host file into the customer's own, and hands it to the browser to keep. */
import type { HostFile } from "../api/types";
import type { Bytes } from "../protocol/bytes";
import { writeLink } from "../protocol/linkBlob";

/** Milliseconds after which a browser has surely taken over what it is to save. */
const TAKEN_OVER = 60_000;

/**
 * Writes the link into the file, in place. It leaves this page in the saved file only.
 *
 * @throws LinkError if the file has no place for it, or not enough.
 */
export function addLink(file: Bytes, { blob }: Pick<HostFile, "blob">, link: string): void {
  const region = file.subarray(blob.offset, blob.offset + blob.size);
  region.set(writeLink(region, link));
}

/** Saves a file where the browser saves downloads. */
export function saveFile(file: Bytes, name: string): void {
  const url = URL.createObjectURL(new Blob([file], { type: "application/octet-stream" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), TAKEN_OVER);
}

/** Whether this page can check and change a file: only those that came over an encrypted way have a `crypto.subtle`. */
export function canAddLink(): boolean {
  return globalThis.crypto?.subtle !== undefined;
}
