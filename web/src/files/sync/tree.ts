/**
 * What is below a folder, on either side, as a flat map; bounded in number, depth and length, because the host is not
 * trusted to be honest about its own tree.
 */
import type { PlainKey } from "../../i18n/text";
import { LocalProblem } from "../workerLink";
import type { Node } from "./plan";

/** As the terminal's. A tree beyond that is better taken in parts. */
export const MAX_TREE_NODES = 500_000;
export const MAX_DEPTH = 100;
const MAX_PATH_UNITS = 4096;
/** Of all paths together: what a hostile host could fill the browser's memory with, UTF-16 units. */
const MAX_UNITS = 64 * 1024 * 1024;
/** Things that are left alone, with a reason; more is hostile. */
const MAX_LEFT = 50_000;

/** Something with which, and with all that is in it, nothing is done. */
export interface Left {
  /** As it came: untrusted. */
  readonly shown: string;
  readonly why: PlainKey;
}

export class Tree {
  /** By path relative to the top, with `/`; a folder comes before what is in it. */
  readonly nodes = new Map<string, Node>();
  readonly left = new Map<string, Left>();
  /** Hidden things that are not wanted; they are among `nodes`, but not what is in them. */
  readonly hidden = new Set<string>();
  #units = 0;

  /** Takes one thing in. @throws LocalProblem: there are too many, or they go too deep. */
  take(path: string, node: Node): void {
    this.#units += path.length;
    if (this.nodes.size >= MAX_TREE_NODES || this.#units > MAX_UNITS) throw new LocalProblem("sync_too_many");
    if (path.length > MAX_PATH_UNITS || path.split("/").length > MAX_DEPTH) throw new LocalProblem("sync_too_deep");
    this.nodes.set(path, node);
  }

  /** Takes something in that is left alone. */
  leave(path: string, node: Node, left: Left): void {
    if (this.left.size >= MAX_LEFT) throw new LocalProblem("sync_too_many");
    this.take(path, node);
    this.left.set(path, left);
  }
}

/** A path that no name of either computer can have, for something that has no usable name; it keeps its folder from going. */
export function namelessPath(folder: string, tree: Tree): string {
  return `${folder === "" ? "" : `${folder}/`}\0${tree.left.size}`;
}

export function below(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}
