/**
 * The folder that the technician opened: looked at, and changed, as far as a browser lets a page.
 *
 * A browser cannot set a file's time. What it writes is as new as the writing, so that for each such file it is kept what
 * time it stands for (`Times`); with it the planner sees the tree as the terminal would have left it.
 */
import { entriesOf, isFile, problemOf, writeAll } from "../localFiles";
import { sentenceOfProblem } from "../jobs";
import { LocalProblem } from "../workerLink";
import { isOurs } from "./names";
import { folderOf, isSame, type Listing, type Node } from "./plan";
import { Tree, below } from "./tree";

/** Files whose size and time are asked for at once. */
const LOOKS_AT_ONCE = 32;
/** Entries of one folder between two looks at the clock. */
const YIELD_AFTER = 1000;

/** A file as this page wrote it, and the time that it stands for. */
export interface Time {
  readonly size: number;
  readonly modified: number;
  readonly as: number;
}
export type Times = ReadonlyMap<string, Time>;

/** All throws LocalProblem. */
export class LocalSide {
  readonly #folders = new Map<string, FileSystemDirectoryHandle>();

  constructor(
    readonly root: FileSystemDirectoryHandle,
    private readonly times: Times,
  ) {
    this.#folders.set("", root);
  }

  /** What is below the folder; arguments as for `RemoteSide.tree`. */
  async tree(takesHidden: boolean, onCount: (count: number) => void, signal: AbortSignal, from = ""): Promise<Tree> {
    const tree = new Tree();
    const waiting = [from];
    for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
      try {
        await this.#list(folder, tree, takesHidden, waiting, signal);
      } catch (error) {
        const problem = problemOf(error);
        if (folder === from || signal.aborted || isTooMuch(problem)) throw problem;
        tree.left.set(folder, { shown: folder, why: sentenceOfProblem(problem) });
      }
      onCount(tree.nodes.size);
    }
    return tree;
  }

  async #list(folder: string, tree: Tree, takesHidden: boolean, waiting: string[], signal: AbortSignal): Promise<void> {
    const files: [string, FileSystemFileHandle][] = [];
    const look = async (): Promise<void> => {
      const found = files.splice(0);
      const nodes = await Promise.all(found.map(([, handle]) => handle.getFile().then(nodeOf, problemOf)));
      for (const [index, [path]] of found.entries()) {
        const node = nodes[index];
        if (node instanceof Error) {
          if (node.name !== "NotFoundError") tree.leave(path, NOTHING, { shown: path, why: sentenceOfProblem(node) });
        } else if (node !== undefined) tree.take(path, this.#asKnown(path, node));
      }
    };
    let count = 0;
    for await (const handle of entriesOf(await this.folder(folder))) {
      if ((count += 1) % YIELD_AFTER === 0) signal.throwIfAborted();
      if (isOurs(folder, handle.name)) continue;
      const path = below(folder, handle.name);
      const isHidden = !takesHidden && handle.name.startsWith(".");
      if (isHidden) tree.hidden.add(path);
      if (isFile(handle)) files.push([path, handle]);
      else {
        tree.take(path, FOLDER);
        if (!isHidden) waiting.push(path);
      }
      if (files.length >= LOOKS_AT_ONCE) await look();
    }
    signal.throwIfAborted();
    await look();
  }

  /** What is there; undefined: nothing. */
  async node(path: string): Promise<Node | undefined> {
    try {
      return this.#asKnown(path, nodeOf(await (await this.#file(path, false)).getFile()));
    } catch (error) {
      const problem = problemOf(error);
      if (problem.name === "NotFoundError") return undefined;
      if (problem.name === "TypeMismatchError") return FOLDER;
      throw problem;
    }
  }

  /** A file to read. */
  async file(path: string): Promise<File> {
    return this.#try(async () => (await this.#file(path, false)).getFile());
  }

  /** Makes a folder; it may be there. Those around it are made too. */
  async make(path: string): Promise<void> {
    await this.#try(() => this.folder(path, true));
  }

  /** Writes a file at once under its name: it is whole there, or what was there stays. What it is now. */
  async write(path: string, content: Blob): Promise<Node> {
    return this.#try(async () => {
      const isNew = (await this.node(path)) === undefined;
      const handle = await this.#file(path, true);
      try {
        await writeAll(handle, content);
      } catch (error) {
        if (isNew) await this.#remove(path).catch(() => undefined);
        throw error;
      }
      const written = await handle.getFile();
      if (written.size !== content.size) throw new LocalProblem("NotReadableError");
      return nodeOf(written);
    });
  }

  /** Puts a copy of a file elsewhere, where there must be nothing yet. */
  async copy(path: string, to: string): Promise<Node> {
    if ((await this.node(to)) !== undefined) throw new LocalProblem("exists");
    return this.write(to, await this.file(path));
  }

  /**
   * Moves a file, or a folder with all that is in it, to where there is nothing yet; what is not there is done. A browser
   * that cannot rename copies, and deletes each file once its copy is whole.
   */
  async move(path: string, to: string): Promise<void> {
    const node = await this.node(path);
    if (node === undefined) return;
    await this.make(folderOf(to));
    if (node.kind === "file") {
      if (await this.#rename(path, to)) return;
      await this.copy(path, to);
      return this.#try(() => this.#remove(path));
    }
    await this.make(to);
    const names: string[] = [];
    await this.#try(async () => {
      for await (const { name } of entriesOf(await this.folder(path))) names.push(name);
    });
    for (const name of names) await this.move(below(path, name), below(to, name));
    // Not with what is in it: what came in between stays.
    await this.#try(() => this.#remove(path));
    for (const known of [...this.#folders.keys()]) if (known === path || known.startsWith(`${path}/`)) this.#folders.delete(known);
  }

  async folder(path: string, create = false): Promise<FileSystemDirectoryHandle> {
    const known = this.#folders.get(path);
    if (known !== undefined) return known;
    const above = await this.folder(folderOf(path), create);
    const folder = await above.getDirectoryHandle(nameOf(path), { create });
    this.#folders.set(path, folder);
    return folder;
  }

  async #file(path: string, create: boolean): Promise<FileSystemFileHandle> {
    return (await this.folder(folderOf(path))).getFileHandle(nameOf(path), { create });
  }

  async #remove(path: string): Promise<void> {
    await (await this.folder(folderOf(path))).removeEntry(nameOf(path));
  }

  /** Whether the browser could do it at once; some can only within their private storage, some not at all. */
  async #rename(path: string, to: string): Promise<boolean> {
    if ((await this.node(to)) !== undefined) throw new LocalProblem("exists");
    const handle = (await this.#try(() => this.#file(path, false))) as unknown as Movable;
    if (handle.move === undefined) return false;
    try {
      await handle.move(await this.folder(folderOf(to)), nameOf(to));
      return true;
    } catch {
      // If it is not there any more, copying says so.
      return false;
    }
  }

  #asKnown(path: string, node: Node): Node {
    return asKnown(this.times.get(path), node);
  }

  async #try<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw problemOf(error);
    }
  }
}

interface Movable {
  move?: (folder: FileSystemDirectoryHandle, name: string) => Promise<void>;
}

const FOLDER: Node = { kind: "folder", size: 0, modified: 0 };
const NOTHING: Node = { kind: "other", size: 0, modified: 0 };

/** A file that is still as this page wrote it counts as having the time that it stands for. */
export function asKnown(time: Time | undefined, node: Node): Node {
  const isWritten = node.kind === "file" && time !== undefined && time.size === node.size && time.modified === node.modified;
  return isWritten ? { ...node, modified: time.as } : node;
}

/** Whether below a folder all is as it was seen. */
export function isAsSeen(path: string, now: Listing, seen: Listing): boolean {
  const start = `${path}/`;
  let count = 0;
  for (const [each, node] of now) {
    const before = seen.get(each);
    if (before === undefined || !isSame(before, node)) return false;
    count += 1;
  }
  for (const each of seen.keys()) if (each.startsWith(start)) count -= 1;
  return count <= 0;
}

function isTooMuch({ name }: Error): boolean {
  return name === "sync_too_many" || name === "sync_too_deep";
}

function nodeOf({ size, lastModified }: File): Node {
  return { kind: "file", size, modified: lastModified };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
