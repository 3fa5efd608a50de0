/**
 * One file on its way, either way: in pieces, resumed where an earlier attempt ended, checked by SHA-256.
 *
 * Both ends keep parts under names that follow from the file: whoever asks for the same file again, also in another tab
 * or after the computer was started anew, goes on where it was.
 */
import type { Bytes } from "../protocol/bytes";
import { utf8 } from "../protocol/bytes";
import { RemoteProtocolError } from "../protocol/errors";
import { toHex } from "../text/hex";
import { RequestRefused } from "../tools/requests";
import type { Entry, FilesClient } from "./client";
import { partFile, type Target } from "./localFiles";
import { keyOf, type Name } from "./paths";
import { LocalProblem, type RunningHash, type WorkerLink } from "./workerLink";

/** Of one piece, bytes. */
export const PIECE_BYTES = 1 << 20;
/** Files up to this are sent with their request, bytes (docs/protocol.md §8). */
export const MAX_SMALL_BYTES = 256 * 1024;
/** Pieces of a download that wait to be written. */
const PIECES_WAITING = 4;

/** Told how many bytes of the file are there. */
export type Progress = (bytes: number) => void;

/** What keeps parts and hashes: a `WorkerLink`. */
export type Workshop = Pick<WorkerLink, "hash" | "openPart" | "removePart">;

/**
 * Fetches a file of the computer.
 *
 * @param session whose part it is.
 * @returns its SHA-256.
 * @throws RequestRefused, StreamClosed, LocalProblem; the part stays, unless the file turned out to be another.
 */
export async function download(
  client: FilesClient,
  workshop: Workshop,
  session: string,
  path: Name,
  entry: Entry,
  target: Target,
  progress: Progress,
): Promise<Bytes> {
  if (entry.size <= MAX_SMALL_BYTES) return downloadSmall(client, path, target, progress);
  await checkSpace(entry.size);
  const name = await partName(path, entry);
  const part = await workshop.openPart(session, name);
  try {
    const have = part.size > 0 ? { offset: part.size, prefix: await part.digest() } : null;
    // Some pieces are written while the next ones come; the queue is what bounds the page's memory.
    const writing: Promise<void>[] = [];
    const { facts, sha256 } = await client.read(
      path,
      have,
      async (facts, offset) => {
        if (facts.size !== entry.size) await checkSpace(facts.size); // it may have grown, or the host thought better of it
        if (offset !== part.size) await part.restart();
        progress(part.size);
      },
      async (piece) => {
        const written = part.append(piece).then(() => progress(part.size));
        written.catch(() => undefined); // awaited below, in its turn
        if (writing.push(written) >= PIECES_WAITING) await writing.shift();
      },
    );
    await Promise.all(writing);
    if (part.size !== facts.size || !areEqual(await part.digest(), sha256)) {
      await part.restart();
      throw new RequestRefused("changed");
    }
    await part.close();
    const isDone = await target.take(await partFile(session, name));
    if (isDone) await workshop.removePart(session, name);
    return sha256;
  } catch (error) {
    await part.close().catch(() => undefined);
    throw error;
  }
}

/** A browser that gives a page little space, as in a private window, says so before the first gigabyte. */
async function checkSpace(size: number): Promise<void> {
  const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
  if (quota - usage < size) throw new LocalProblem("QuotaExceededError");
}

/** In memory: a part on the disk for each of thousands of files would cost more than the files. */
async function downloadSmall(client: FilesClient, path: Name, target: Target, progress: Progress): Promise<Bytes> {
  const pieces: Bytes[] = [];
  const { facts, sha256 } = await client.read(
    path,
    null,
    ({ size }) => {
      // It has grown since it was listed; the next attempt finds it with its size.
      if (size > PIECE_BYTES) throw new RemoteProtocolError("A small file that is large.");
      return Promise.resolve();
    },
    (piece) => Promise.resolve(void pieces.push(piece)),
  );
  const whole = new Blob(pieces);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await whole.arrayBuffer()));
  if (whole.size !== facts.size || !areEqual(digest, sha256)) throw new RequestRefused("changed");
  await target.take(whole);
  progress(whole.size);
  return sha256;
}

/**
 * Sends a file to the computer.
 *
 * @param signal aborting it gives the file up, also what the computer has of it.
 * @returns its SHA-256.
 * @throws RequestRefused, StreamClosed, LocalProblem if it cannot be read here or was changed meanwhile.
 */
export async function upload(
  client: FilesClient,
  workshop: Workshop,
  session: string,
  file: File,
  path: Name,
  overwrite: boolean,
  progress: Progress,
  signal: AbortSignal,
): Promise<Bytes> {
  const { size, lastModified: modified } = file;
  const transfer = await transferName(session, path, size, modified);
  const facts = { size, modified, transfer, overwrite };
  const hash = workshop.hash();
  try {
    if (size <= MAX_SMALL_BYTES) {
      const body = await hash.update(await readPiece(file, 0, size));
      const sha256 = await hash.digest();
      await client.put(path, facts, body, sha256);
      progress(size);
      return sha256;
    }
    let sha256: Bytes = new Uint8Array(0);
    await client.write(path, facts, async (left, pieces) => {
      let at = await hashBeginning(file, hash, left.offset);
      let rest = hash;
      if (!areEqual(await hash.digest(), left.prefix)) {
        await pieces.restart();
        rest = workshop.hash();
        at = 0;
      }
      try {
        // The next piece is read and hashed while this one is on its way.
        let next = prepare(file, rest, at);
        while (at < size) {
          if (signal.aborted) return null;
          progress(at);
          const piece = await next;
          next = prepare(file, rest, at + piece.length);
          next.catch(() => undefined); // awaited in the next turn, if there is one
          await pieces.send(at, piece);
          at += piece.length;
        }
        await next;
        progress(size);
        sha256 = await rest.digest();
        return sha256;
      } finally {
        if (rest !== hash) await rest.close();
      }
    });
    return sha256;
  } finally {
    await hash.close();
  }
}

async function hashBeginning(file: File, hash: RunningHash, size: number): Promise<number> {
  let at = 0;
  while (at < size) at += (await hash.update(await readPiece(file, at, Math.min(at + PIECE_BYTES, size)))).length;
  return at;
}

async function prepare(file: File, hash: RunningHash, at: number): Promise<Bytes> {
  const end = Math.min(at + PIECE_BYTES, file.size);
  return hash.update(await readPiece(file, at, end));
}

async function readPiece(file: File, from: number, to: number): Promise<Bytes> {
  let piece: Bytes;
  try {
    piece = new Uint8Array(await file.slice(from, to).arrayBuffer());
  } catch (error) {
    // Browsers refuse to read a file that was changed since it was chosen.
    throw new LocalProblem(error instanceof DOMException ? error.name : "NotReadableError");
  }
  if (piece.length !== to - from) throw new LocalProblem("NotReadableError");
  return piece;
}

/** What a part is called: the same file, as long as it has not changed, has the same part. */
async function partName(path: Name, entry: Entry): Promise<string> {
  return hexOf(`${keyOf(path)}\0${entry.size}\0${entry.modified}`);
}

async function transferName(session: string, path: Name, size: number, modified: number): Promise<string> {
  return (await hexOf(`up\0${session}\0${keyOf(path)}\0${size}\0${modified}`)).slice(0, 32);
}

async function hexOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(text)));
  return toHex(digest);
}

function areEqual(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

