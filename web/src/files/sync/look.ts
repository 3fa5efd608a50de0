/** The dry run's first half: both folders as they are, each thing that is left alone with its reason. */
import type { Bytes } from "../../protocol/bytes";
import { RequestRefused } from "../../tools/requests";
import type { Workshop } from "../transfers";
import { PIECE_BYTES } from "../transfers";
import { LocalProblem } from "../workerLink";
import type { LocalSide } from "./localSide";
import { collisions } from "./names";
import type { Listing, Node } from "./plan";
import type { RemoteSide } from "./remoteSide";
import type { Left } from "./tree";

/** Both folders as they were when they were looked at. */
export interface Seen {
  readonly local: Listing;
  readonly remote: Listing;
  /** With these, and with what is in them, nothing is done. */
  readonly left: ReadonlyMap<string, Left>;
  /** Likewise, because hidden things are not wanted. */
  readonly hidden: ReadonlySet<string>;
}

export interface Looked {
  /** Things seen so far. */
  readonly local: number;
  readonly remote: number;
  /** Bytes whose content was compared, of all; null before that. */
  readonly contents: { readonly done: number; readonly all: number } | null;
}

export interface Wishes {
  readonly takesHidden: boolean;
  /** Files of one size are compared by content; all of them are read, on both sides. */
  readonly byContent: boolean;
}

/** @throws RequestRefused, StreamClosed, LocalProblem; the other side's walk may then still be under way until `signal` is aborted. */
export async function look(
  local: LocalSide,
  remote: RemoteSide,
  wishes: Wishes,
  workshop: Pick<Workshop, "hash">,
  onProgress: (looked: Looked) => void,
  signal: AbortSignal,
): Promise<Seen> {
  let looked: Looked = { local: 0, remote: 0, contents: null };
  const tell = (part: Partial<Looked>): void => onProgress((looked = { ...looked, ...part }));
  const [here, there] = await Promise.all([
    local.tree(wishes.takesHidden, (count) => tell({ local: count }), signal),
    remote.tree(wishes.takesHidden, (count) => tell({ remote: count })),
  ]);
  const left = new Map([...here.left, ...there.left]);
  for (const path of collisions(here.nodes, there.nodes)) left.set(path, { shown: path, why: "sync_name_case" });
  const hidden = new Set([...here.hidden, ...there.hidden]);
  if (wishes.byContent) await compareContents(local, remote, here.nodes, there.nodes, left, workshop, (contents) => tell({ contents }), signal);
  return { local: here.nodes, remote: there.nodes, left, hidden };
}

/** What nothing is done with, for the planner. */
export function unknownOf({ left, hidden }: Seen): string[] {
  return [...left.keys(), ...hidden];
}

/** Takes the SHA-256 of what may be the same into both listings. */
async function compareContents(
  local: LocalSide,
  remote: RemoteSide,
  here: Map<string, Node>,
  there: Map<string, Node>,
  left: ReadonlyMap<string, Left>,
  workshop: Pick<Workshop, "hash">,
  onProgress: (contents: { done: number; all: number }) => void,
  signal: AbortSignal,
): Promise<void> {
  const alike = [...here].filter(([path, node]) => {
    const other = there.get(path);
    return node.kind === "file" && other?.kind === "file" && other.size === node.size && !left.has(path);
  });
  const all = alike.reduce((sum, [, { size }]) => sum + size, 0);
  let done = 0;
  onProgress({ done, all });
  // The computer reads its file while this one reads its own; some are asked for ahead.
  const asked: Promise<Bytes | null>[] = [];
  const ask = (index: number): void => {
    const path = alike[index]?.[0];
    if (path === undefined) return;
    const answer = remote.digest(path).catch((error: unknown) => {
      if (error instanceof RequestRefused) return null; // it cannot be read: compared by size and time
      throw error;
    });
    answer.catch(() => undefined); // awaited in its turn
    asked[index] = answer;
  };
  for (let index = 0; index < AHEAD; index++) ask(index);
  for (const [index, [path, node]] of alike.entries()) {
    signal.throwIfAborted();
    const mine = await digestOf(local, path, workshop, signal);
    const theirs = (await asked[index]) ?? null;
    ask(index + AHEAD);
    if (mine !== null && theirs !== null) {
      here.set(path, { ...node, sha256: mine });
      there.set(path, { ...(there.get(path) as Node), sha256: theirs });
    }
    onProgress({ done: (done += node.size), all });
  }
}

const AHEAD = 16;

async function digestOf(local: LocalSide, path: string, workshop: Pick<Workshop, "hash">, signal: AbortSignal): Promise<Bytes | null> {
  const hash = workshop.hash();
  try {
    const file = await local.file(path);
    for (let at = 0; at < file.size; at += PIECE_BYTES) {
      signal.throwIfAborted();
      await hash.update(new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer()));
    }
    return await hash.digest();
  } catch (error) {
    if (signal.aborted || !(error instanceof LocalProblem || error instanceof DOMException)) throw error;
    return null;
  } finally {
    await hash.close();
  }
}
