/**
 * The worker of the File Manager: SHA-256, and the parts of downloads, away from the page that draws.
 *
 * A part lies in the browser's private file system of this origin, under a name that says which file it is of, so that a
 * download goes on where it was after the tab was closed. One request after the other; each is answered once.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { Bytes } from "../protocol/bytes";
import { partsFolder } from "./parts";
import type { WorkerAnswer, WorkerRequest } from "./workerLink";

/** The part of `FileSystemSyncAccessHandle` that is used; TypeScript has it in the worker's library only. */
interface SyncAccess {
  getSize(): number;
  read(buffer: Bytes, options: { at: number }): number;
  write(buffer: Bytes, options: { at: number }): number;
  truncate(size: number): void;
  close(): void;
}

interface Part {
  readonly access: SyncAccess;
  size: number;
}

const PIECE_BYTES = 1 << 20;

const hashes = new Map<number, ReturnType<typeof sha256.create>>();
const parts = new Map<number, Part>();

/** Opens a part and hashes what is there; its size. */
async function open(id: number, session: string, name: string): Promise<number> {
  const handle = await (await partsFolder(session)).getFileHandle(name, { create: true });
  const access = await (handle as unknown as { createSyncAccessHandle(): Promise<SyncAccess> }).createSyncAccessHandle();
  const size = access.getSize();
  const hash = sha256.create();
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(size, 1)));
  for (let at = 0; at < size; ) {
    const count = access.read(buffer, { at });
    if (count === 0) break;
    hash.update(buffer.subarray(0, count));
    at += count;
  }
  hashes.set(id, hash);
  parts.set(id, { access, size });
  return size;
}

function hashOf(id: number): ReturnType<typeof sha256.create> {
  let hash = hashes.get(id);
  if (hash === undefined) hashes.set(id, (hash = sha256.create()));
  return hash;
}

function append(id: number, data: Bytes): void {
  const part = parts.get(id);
  if (part === undefined) throw new Error("There is no such part.");
  for (let done = 0; done < data.length; ) {
    const count = part.access.write(data.subarray(done), { at: part.size });
    if (count === 0) throw new DOMException("The disk is full.", "QuotaExceededError");
    part.size += count;
    done += count;
  }
  hashOf(id).update(data);
}

async function answer(request: WorkerRequest): Promise<unknown> {
  const { id } = request;
  switch (request.op) {
    case "open":
      return open(id, request.session, request.name);
    case "append":
      append(id, request.data);
      return request.data;
    case "restart": {
      const part = parts.get(id);
      part?.access.truncate(0);
      if (part !== undefined) part.size = 0;
      hashes.set(id, sha256.create());
      return undefined;
    }
    case "hash":
      hashOf(id).update(request.data);
      return request.data;
    case "digest":
      return hashOf(id).clone().digest();
    case "close":
      parts.get(id)?.access.close();
      parts.delete(id);
      hashes.delete(id);
      return undefined;
    case "remove":
      await (await partsFolder(request.session)).removeEntry(request.name).catch(() => undefined);
      return undefined;
  }
}

let turn: Promise<void> = Promise.resolve();

addEventListener("message", ({ data }: MessageEvent<WorkerRequest>) => {
  turn = turn.then(async () => {
    try {
      const value = await answer(data);
      // Buffers go back: a worker that allocates little else collects them late, and by the hundred megabytes.
    const back = data.op === "hash" || data.op === "append" ? [data.data.buffer] : [];
      postMessage({ call: data.call, value } satisfies WorkerAnswer, { transfer: back });
    } catch (error) {
      postMessage({ call: data.call, error: error instanceof Error ? error.name : "Error" } satisfies WorkerAnswer);
    }
  });
});
