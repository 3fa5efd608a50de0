/**
 * Doing what was planned, as a job. What is deleted or replaced goes to the undo folder of its side, where it keeps its
 * path. Right before each deed it is looked again whether all is still as it was when the plan was made: what is not is
 * left, and told. What broke off goes on where it was; what was done by then is not done twice.
 */
import { signal } from "@preact/signals";
import type { PlainKey } from "../../i18n/text";
import { toHex } from "../../text/hex";
import { RequestRefused } from "../../tools/requests";
import type { Entry, FilesClient } from "../client";
import type { Task } from "../jobs";
import { sentenceOfProblem } from "../jobs";
import type { Target } from "../localFiles";
import { download, upload, type Workshop } from "../transfers";
import { LocalProblem } from "../workerLink";
import { KeepingClient } from "./keepingClient";
import { isAsSeen, type LocalSide } from "./localSide";
import type { Seen } from "./look";
import type { Memory } from "./memory";
import { UNDO_FOLDER, secondName } from "./names";
import type { Name } from "../paths";
import { folderOf, foldersAround, isSame, knownAfter, type Action, type Node, type Side } from "./plan";
import { RemoteSide, nodeOf } from "./remoteSide";
import { below } from "./tree";

/** What a file's result is: done, or why it was not. */
export type Outcome = "done" | PlainKey;

/** Requests that are sent before the first answer is read. */
const AT_ONCE = 32;
const SIDES: readonly Side[] = ["local", "remote"];

export interface Duty {
  readonly session: string;
  readonly workshop: Workshop;
  readonly local: LocalSide;
  /** The folder on the customer's computer. */
  readonly top: Name;
  readonly seen: Seen;
  readonly actions: readonly Action[];
  /** Conflicts of two files of which both stay: this computer's gets another name. */
  readonly both: readonly string[];
  readonly secondWord: string;
  readonly memory: Memory;
  /** What is remembered afterwards counts for deletions: synchronising does, replicating does not. */
  readonly keepsKnown: boolean;
  /** When it began. */
  readonly now: Date;
}

/** As the terminal's: `2026-11-30T120000-1a2b`. */
export function undoName(now: Date, random: Uint8Array): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(":", "");
  return `${stamp}-${toHex(random.subarray(0, 2))}`;
}

export class SyncRun {
  /** By action, and by path for what is kept twice. */
  readonly outcomes = signal<ReadonlyMap<Action | string, Outcome>>(new Map());
  /** The undo folder's path below both folders, if it was needed. */
  readonly undo: string;
  readonly usesUndo: Readonly<Record<Side, boolean>>;
  readonly #outcomes = new Map<Action | string, Outcome>();
  readonly #failures = new Map<Action | string, Error>();
  /** Whose names are free. */
  readonly #freed = new Set<Action>();
  readonly #also = new Map<string, readonly [Node, Node]>();
  #isTelling = false;

  constructor(readonly duty: Duty) {
    this.undo = `${UNDO_FOLDER}/${undoName(duty.now, crypto.getRandomValues(new Uint8Array(2)))}`;
    const uses = (side: Side): boolean => duty.actions.some((action) => action.side === side && (action.deed === "delete" || action.replaces));
    this.usesUndo = { local: uses("local"), remote: uses("remote") };
  }

  /** Frees names, makes folders, then tells what is to be copied. May be called again after an interruption. */
  async *tasks(client: FilesClient): AsyncGenerator<Task> {
    const { actions, both, local, top } = this.duty;
    const remote = new RemoteSide(client, top);
    for (const side of SIDES) {
      const mine = actions.filter((action) => action.side === side && action.deed !== "conflict");
      await this.#prepareUndo(side, mine, remote);
      const going = mine.filter((action) => action.deed === "delete" || (action.replaces && !this.#isKept(action)));
      const free = (action: Action): Promise<void> => (side === "local" ? this.#freeHere(action) : this.#freeThere(remote, action));
      for await (const action of this.#each(going, free)) if (action.deed === "delete") yield this.#over(action);
      const folders = mine.filter((action) => action.deed === "folder" && !this.#hasFailed(action));
      const make = (action: Action): Promise<void> => (side === "local" ? local.make(action.path) : remote.make(action.path));
      for await (const action of this.#each(folders, make, "done")) yield this.#over(action);
      // What could not be freed takes nothing in.
      for (const action of mine) if (action.deed !== "delete" && this.#hasFailed(action) && !folders.includes(action)) yield this.#over(action);
    }
    for (const action of actions) {
      if (action.deed !== "copy" || this.#hasFailed(action)) continue;
      yield this.#task(action, action.path, action.size, action.side === "remote" ? this.#sending(action) : this.#fetching(action));
    }
    for (const path of both) yield this.#task(path, path, this.#sizeOfBoth(path), this.#keeping(path));
  }

  /** How it stands now; `outcomes` follows a little later. */
  results(): ReadonlyMap<Action | string, Outcome> {
    return this.#outcomes;
  }

  /** What is remembered from now on. */
  async remember(): Promise<void> {
    const { seen, memory, keepsKnown, actions } = this.duty;
    if (!keepsKnown) return memory.save(memory.known);
    const done = actions.filter((action) => this.#outcomes.get(action) === "done");
    const known = knownAfter(seen.local, seen.remote, memory.known, done);
    for (const [path, nodes] of this.#also) known.set(path, nodes);
    await memory.save(known);
  }

  // -- freeing names

  async #prepareUndo(side: Side, mine: readonly Action[], remote: RemoteSide): Promise<void> {
    const kept = mine.filter((action) => action.deed === "delete" || action.replaces);
    if (kept.length === 0) return;
    const inner = new Set(kept.flatMap(({ path }) => foldersAround(path).map((folder) => below(this.undo, folder))));
    const folders = [UNDO_FOLDER, this.undo, ...inner];
    // The computer does one request after the other: the outer folder is there when the inner one's turn comes.
    for (let start = 0; start < folders.length; start += AT_ONCE) {
      const some = folders.slice(start, start + AT_ONCE);
      if (side === "remote") await Promise.all(some.map((folder) => remote.make(folder)));
      else for (const folder of some) await this.duty.local.make(folder);
    }
  }

  async #freeHere({ path, side }: Action): Promise<void> {
    const { local, seen } = this.duty;
    const now = await local.node(path);
    if (now === undefined) return;
    if (!isSame(now, seen[side].get(path))) throw new LocalProblem("sync_changed");
    if (now.kind === "folder") {
      const tree = await local.tree(true, () => undefined, new AbortController().signal, path);
      if (!isAsSeen(path, tree.nodes, seen.local)) throw new LocalProblem("sync_changed");
    }
    await local.move(path, below(this.undo, path));
  }

  async #freeThere(remote: RemoteSide, { path, side }: Action): Promise<void> {
    const { seen } = this.duty;
    const now = await remote.node(path);
    if (now === undefined) return;
    if (!isSame(now, seen[side].get(path))) throw new LocalProblem("sync_changed");
    if (now.kind === "folder") {
      const tree = await remote.tree(true, () => undefined, path);
      if (!isAsSeen(path, tree.nodes, seen.remote)) throw new LocalProblem("sync_changed");
    }
    await remote.move(path, below(this.undo, path));
  }

  /** Does something for each that was not done yet; some at once. What fails is noted, the rest goes on. */
  async *#each(actions: readonly Action[], work: (action: Action) => Promise<void>, outcome?: Outcome): AsyncGenerator<Action> {
    for (let start = 0; start < actions.length; start += AT_ONCE) {
      const some = actions.slice(start, start + AT_ONCE);
      const isOver = (action: Action): boolean => this.#outcomes.has(action) || (outcome === undefined && this.#freed.has(action));
      const results = await Promise.allSettled(some.map((action) => (isOver(action) ? undefined : work(action))));
      for (const [index, action] of some.entries()) {
        const result = results[index];
        if (result?.status === "rejected") this.#settle(action, result.reason);
        else if (!this.#hasFailed(action)) {
          this.#freed.add(action);
          if (action.deed === "delete" || outcome !== undefined) this.#settle(action, null);
        }
      }
      yield* some;
    }
  }

  // -- files

  /** Whether what is replaced is kept as its name is given away, and need not go before. */
  #isKept({ deed, path, side }: Action): boolean {
    return deed === "copy" && this.duty.seen[side].get(path)?.kind === "file";
  }

  #sending(action: Action): Task["run"] {
    const { path } = action;
    return async (client, progress, stop) => {
      const before = this.#isKept(action) ? this.duty.seen.remote.get(path) : undefined;
      await this.#send(client, path, this.duty.seen.local.get(path), before, progress, stop);
    };
  }

  /**
   * @param seen what is to be sent, as it was seen.
   * @param before what is there and is replaced.
   */
  async #send(
    client: FilesClient,
    path: string,
    seen: Node | undefined,
    before: Node | undefined,
    progress: (bytes: number) => void,
    stop: AbortSignal,
  ): Promise<void> {
    const { local, top, session, workshop } = this.duty;
    const remote = new RemoteSide(client, top);
    const node = await local.node(path);
    const opened = await local.file(path);
    if (node === undefined || !isSame(node, seen) || node.size !== opened.size) throw new LocalProblem("sync_changed");
    const now = await remote.node(path);
    if (isSame(now, node) && !isSame(before, node)) return; // it was done, and the answer was lost
    if (!isSame(now, before)) throw new LocalProblem("sync_changed");
    const mode = before?.mode === undefined ? {} : { mode: before.mode & 0o777 };
    const keep = before === undefined ? {} : { keep: remote.at(below(this.undo, path)), ...mode };
    // The time that the file stands for, which need not be the one that the browser gave it.
    const file = opened.lastModified === node.modified ? opened : new File([opened], opened.name, { lastModified: node.modified });
    await upload(new KeepingClient(client.requests, keep), workshop, session, file, remote.at(path), before !== undefined, progress, stop);
  }

  #fetching(action: Action): Task["run"] {
    const { path } = action;
    return async (client, progress) => {
      const before = this.#isKept(action) ? this.duty.seen.local.get(path) : undefined;
      await this.#fetch(client, path, before, before === undefined ? null : below(this.undo, path), progress);
    };
  }

  /** @param keep where what is replaced is kept. */
  async #fetch(
    client: FilesClient,
    path: string,
    before: Node | undefined,
    keep: string | null,
    progress: (bytes: number) => void,
  ): Promise<void> {
    const { local, seen, top, session, workshop, memory } = this.duty;
    const remote = new RemoteSide(client, top);
    const entry = await entryAt(remote, path);
    const node = nodeOf(entry);
    if (!isSame(node, seen.remote.get(path))) throw new LocalProblem("sync_changed");
    const target: Target = {
      take: async (part) => {
        const now = await local.node(path);
        if (isSame(now, node) && !isSame(before, node)) return true;
        if (!isSame(now, before)) throw new LocalProblem("sync_changed");
        if (keep !== null && (await local.node(keep)) === undefined) await local.copy(path, keep);
        const written = await local.write(path, part);
        memory.setTime(path, { size: written.size, modified: written.modified, as: node.modified });
        return true;
      },
    };
    await download(client, workshop, session, remote.at(path), entry, target, progress);
  }

  /** Both of a conflict stay: this computer's under a second name, on both sides. */
  #keeping(path: string): Task["run"] {
    return async (client, progress, stop) => {
      const { local, seen, secondWord, memory } = this.duty;
      const mine = seen.local.get(path) as Node;
      const folder = folderOf(path);
      const isTaken = (name: string): boolean => seen.local.has(below(folder, name)) || seen.remote.has(below(folder, name));
      const to = below(folder, secondName(path.slice(folder === "" ? 0 : folder.length + 1), secondWord, isTaken));
      if ((await local.node(to)) === undefined) {
        if (!isSame(await local.node(path), mine)) throw new LocalProblem("sync_changed");
        const written = await local.copy(path, to);
        memory.setTime(to, { size: written.size, modified: written.modified, as: mine.modified });
      }
      await this.#send(client, to, mine, undefined, progress, stop);
      await this.#fetch(client, path, mine, null, (bytes) => progress(mine.size + bytes));
      const theirs = seen.remote.get(path) as Node;
      this.#also.set(to, [mine, mine]).set(path, [theirs, theirs]);
    };
  }

  #sizeOfBoth(path: string): number {
    return (this.duty.seen.local.get(path)?.size ?? 0) + (this.duty.seen.remote.get(path)?.size ?? 0);
  }

  // -- telling

  #task(key: Action | string, name: string, size: number, work: Task["run"]): Task {
    const run: Task["run"] = async (client, progress, stop) => {
      if (this.#outcomes.get(key) === "done") return;
      try {
        await work(client, progress, stop);
        this.#settle(key, null);
      } catch (error) {
        if (!stop.aborted) this.#settle(key, error);
        throw error;
      }
    };
    return { name, size, run };
  }

  /** A task for what is over already: it only tells the job how it went. */
  #over(action: Action): Task {
    const failure = this.#failures.get(action);
    return { name: action.path, size: 0, run: () => (failure === undefined ? Promise.resolve() : Promise.reject(failure)) };
  }

  #hasFailed(action: Action): boolean {
    return this.#failures.has(action);
  }

  /** @throws what is no matter of this file, but of the connection. */
  #settle(key: Action | string, error: unknown): void {
    if (error !== null && !(error instanceof RequestRefused) && !(error instanceof LocalProblem)) throw error;
    if (error !== null) this.#failures.set(key, error);
    this.#outcomes.set(key, error === null ? "done" : sentenceOfProblem(error));
    if (this.#isTelling) return;
    this.#isTelling = true;
    setTimeout(() => {
      this.#isTelling = false;
      this.outcomes.value = new Map(this.#outcomes);
    }, TELL_AFTER_MS);
  }
}

/** Milliseconds in which results are gathered before they are shown. */
const TELL_AFTER_MS = 200;

async function entryAt(remote: RemoteSide, path: string): Promise<Entry> {
  try {
    return await remote.client.stat(remote.at(path));
  } catch (error) {
    if (error instanceof RequestRefused && error.code === "missing") throw new LocalProblem("sync_changed");
    throw error;
  }
}
