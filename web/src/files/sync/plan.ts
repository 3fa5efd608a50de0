/**
 * What synchronising and replicating would do: a pure function of two listings and what was last known. The rules are
 * those of the terminal (technician/files/sync_plan.py), and both pass tests/vectors/sync-plans.json.
 *
 * Both sides are flat maps from relative paths to `Node`s. For each path, from the outermost folder inwards, one side wins,
 * both are left as they are, or there is a conflict; the other side is then made like the winner's.
 *
 * Two ways (`twoWay`). A path that is the same on both sides needs nothing. Else, with `known`, what both sides had after
 * the last time, the side that differs from it has changed and wins, be it that something is new, was changed or was
 * deleted. Nothing known: what only one side has is new there and is copied. All else is a conflict, which is left alone
 * unless somebody says who wins.
 *
 * Mirror (`mirror`). The source always wins.
 *
 * Always. A folder goes only if all in it goes; it then goes as one. What is neither file nor folder (links, devices) is
 * never copied, nor is anything in its place. Below folders of which it is not known what is in them nothing is done.
 * Deleted means moved into the undo folder, and so does replaced; both are done by the caller. Doing only some of the
 * actions and planning again leads to the same end.
 */
import type { Bytes } from "../../protocol/bytes";
import { byCodePoints } from "./order";

export type NodeKind = "file" | "folder" | "other";
export type Side = "local" | "remote";
export type Prefer = "newer" | Side;
export type Deed = "delete" | "folder" | "copy" | "conflict";
/** Why there is a conflict. */
export type Why = "deleted_here" | "deleted_there" | "kinds" | "differs";

export const OTHER_SIDE: Readonly<Record<Side, Side>> = { local: "remote", remote: "local" };
/** In the order in which they are done: names are freed first. */
const DEEDS: readonly Deed[] = ["delete", "folder", "copy", "conflict"];

/** A thing in a tree. */
export interface Node {
  /** `other` is a link, a device and the like. */
  readonly kind: NodeKind;
  /** Bytes of a file, else 0. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** Permission bits, where they are known; not compared. */
  readonly mode?: number;
  /** Of the content, where it is to be compared instead of the time. */
  readonly sha256?: Bytes;
}

/** One thing to do. */
export interface Action {
  /** `delete` a thing with all that is in it; make a `folder`; `copy` a file; a `conflict`, with which nothing is done. */
  readonly deed: Deed;
  readonly path: string;
  /** Which is changed; of a conflict, `local`. */
  readonly side: Side;
  /** Something of this name is there and goes first. */
  readonly replaces: boolean;
  /** Bytes that are copied. */
  readonly size: number;
  /** Files that are deleted. */
  readonly files: number;
  /** A conflict's reason. */
  readonly why: Why | null;
}

export type Listing = ReadonlyMap<string, Node>;
/** What the local and the remote side had when they were last the same; for them it was the same. */
export type Known = ReadonlyMap<string, readonly [Node, Node]>;
/** Who wins a conflict; null: nobody, it is left alone. */
export type PreferOf = (path: string) => Prefer | null;
type Verdict = Side | "leave" | null;
type Judge = (path: string, here: Node | undefined, there: Node | undefined) => Verdict;

/**
 * What makes both sides the same.
 *
 * @param local what is there, with the folders around it; `remote` likewise.
 * @param known what was, after the last time.
 * @param unknown folders of which it is not known what is in them.
 * @returns actions, in the order in which they are done, and of their paths.
 */
export function twoWay(
  local: Listing,
  remote: Listing,
  known: Known,
  preferOf: PreferOf = () => null,
  unknown: Iterable<string> = [],
): Action[] {
  return plan(local, remote, unknown, (path, here, there) => {
    if (here?.kind === "other" || there?.kind === "other") return here && there ? null : "leave";
    const prefer = preferOf(path);
    if (here && there && here.kind !== there.kind) return prefer === "newer" ? null : prefer;
    const last = known.get(path);
    if (last === undefined && !(here && there)) return here ? "local" : "remote";
    if (last !== undefined) {
      const [isChangedHere, isChangedThere] = [!isSame(here, last[0]), !isSame(there, last[1])];
      if (isChangedHere !== isChangedThere) return isChangedHere ? "local" : "remote";
    }
    return prefer === "newer" ? newer(here, there) : prefer;
  });
}

/** What makes the other side a copy of the side `source`; arguments and result as for `twoWay`. */
export function mirror(local: Listing, remote: Listing, source: Side, unknown: Iterable<string> = []): Action[] {
  return plan(local, remote, unknown, (_path, here, there) => {
    const original = source === "local" ? here : there;
    return original?.kind === "other" ? "leave" : source;
  });
}

/** Whether two things need not be copied: by content where both are known, else by size and time. */
export function isSame(one: Node | undefined, other: Node | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  if (one.kind !== other.kind || one.kind !== "file") return one.kind === other.kind;
  if (one.sha256 !== undefined && other.sha256 !== undefined) return areEqual(one.sha256, other.sha256);
  return one.size === other.size && one.modified === other.modified;
}

/** What is known once some actions are done; of what is not the same, what was known before. */
export function knownAfter(local: Listing, remote: Listing, known: Known, done: Iterable<Action>): Map<string, readonly [Node, Node]> {
  const after = new Map<string, readonly [Node, Node]>();
  for (const [path, last] of known) if (local.has(path) || remote.has(path)) after.set(path, last);
  for (const [path, node] of local) {
    const other = remote.get(path);
    if (other !== undefined && isSame(node, other)) after.set(path, [node, other]);
  }
  const gone = new Set<string>();
  const won = new Map<string, Node>();
  for (const { deed, path, side } of done) {
    if (deed === "delete") gone.add(path);
    else if (deed !== "conflict") won.set(path, (side === "local" ? remote : local).get(path) as Node);
  }
  // Deletions come first: what is copied is not among them.
  if (gone.size > 0) {
    for (const path of [...after.keys()]) if (gone.has(path) || foldersAround(path).some((folder) => gone.has(folder))) after.delete(path);
  }
  for (const [path, node] of won) after.set(path, [node, node]);
  return after;
}

function areEqual(one: Bytes, other: Bytes): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

/** The folders that hold a path, the outer ones first. */
export function foldersAround(path: string): string[] {
  const found = [];
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) found.push(path.slice(0, at));
  return found;
}

/** The folder that holds a path; empty at the top. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function newer(here: Node | undefined, there: Node | undefined): Side | null {
  if (here === undefined || there === undefined) return here === undefined ? "remote" : "local";
  if (here.modified === there.modified) return null;
  return here.modified > there.modified ? "local" : "remote";
}

function plan(local: Listing, remote: Listing, unknown: Iterable<string>, judge: Judge): Action[] {
  const actions = new Map<string, Action>();
  /** Paths with which, and below which, nothing is done. */
  const left = new Set(unknown);
  /** Folders that take the place of something else: the same side wins below them. */
  const forced = new Map<string, Side>();
  for (const path of [...new Set([...local.keys(), ...remote.keys()])].sort(byCodePoints)) {
    const above = folderOf(path); // it had its turn before what is in it
    if (left.has(path)) continue;
    if (left.has(above)) {
      left.add(path);
      continue;
    }
    const [here, there] = [local.get(path), remote.get(path)];
    const force = forced.get(above);
    if (force !== undefined) forced.set(path, force);
    if (isSame(here, there)) continue;
    const winner = forced.get(path) ?? judge(path, here, there);
    if (winner === null) {
      actions.set(path, action({ deed: "conflict", path, side: "local", why: whyOf(here, there) }));
      left.add(path);
      continue;
    }
    if (winner === "leave") {
      if (here?.kind !== "folder" && there?.kind !== "folder") left.add(path);
      continue;
    }
    const [won, lost] = winner === "local" ? [here, there] : [there, here];
    if (won?.kind === "folder" && lost !== undefined) forced.set(path, winner);
    else if (won !== undefined && lost?.kind === "folder") left.add(path); // it goes with all that is in it
    actions.set(path, actionOf(path, OTHER_SIDE[winner], won, lost));
  }
  keepWhatHolds(actions, local, "local");
  keepWhatHolds(actions, remote, "remote");
  return [...actions.values()].sort((a, b) => DEEDS.indexOf(a.deed) - DEEDS.indexOf(b.deed) || byCodePoints(a.path, b.path));
}

function action(fields: Pick<Action, "deed" | "path" | "side"> & Partial<Action>): Action {
  return { replaces: false, size: 0, files: 0, why: null, ...fields };
}

function actionOf(path: string, side: Side, won: Node | undefined, lost: Node | undefined): Action {
  if (won === undefined) return action({ deed: "delete", path, side, files: Number(lost?.kind === "file") });
  const replaces = lost !== undefined;
  if (won.kind === "folder") return action({ deed: "folder", path, side, replaces });
  return action({ deed: "copy", path, side, replaces, size: won.size });
}

function whyOf(here: Node | undefined, there: Node | undefined): Why {
  if (here === undefined) return "deleted_here";
  if (there === undefined) return "deleted_there";
  return here.kind === there.kind ? "differs" : "kinds";
}

/** Lets no folder go of which something stays, and those that go go as one. */
function keepWhatHolds(actions: Map<string, Action>, listing: Listing, side: Side): void {
  const deleted = new Set<string>();
  const needed = new Set<string>();
  for (const [path, { deed, side: changed }] of actions) {
    if (changed === side && deed === "delete") deleted.add(path);
    if (changed !== side && (deed === "folder" || deed === "copy")) for (const folder of foldersAround(path)) needed.add(folder);
  }
  if (deleted.size === 0) return;
  const held = new Set<string>();
  for (const path of listing.keys()) if (!deleted.has(path)) for (const folder of foldersAround(path)) held.add(folder);
  for (const path of deleted) {
    if (!held.has(path)) continue;
    deleted.delete(path);
    actions.delete(path);
    if (needed.has(path)) actions.set(path, action({ deed: "folder", path, side: OTHER_SIDE[side] }));
  }
  for (const path of [...deleted].sort(byCodePoints).reverse()) {
    const above = actions.get(folderOf(path)); // from the inside out
    if (above === undefined || !deleted.has(above.path)) continue;
    const files = above.files + (actions.get(path)?.files ?? 0);
    actions.delete(path);
    actions.set(above.path, { ...above, files });
  }
}
