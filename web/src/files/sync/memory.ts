/**
 * What two folders had in common after the last time they were synchronised (it tells a deletion from something new), and
 * for which time each file stands that this page wrote. In IndexedDB, since the folder's handle itself is the key: a page
 * is told no paths. It goes with the session; if it is lost, nothing is known, and what differs is a conflict.
 */
import { ask, openDatabase, type DatabasePlan } from "../../keeping/database";
import { keyOf, type Name } from "../paths";
import type { Time } from "./localSide";
import type { Known, Node, NodeKind } from "./plan";

const PAIRS = "pairs";
const TIMES = "times";
const PLAN: DatabasePlan = {
  name: "adhoc-sync",
  make: (database) => {
    database.createObjectStore(PAIRS, { autoIncrement: true });
    database.createObjectStore(TIMES);
  },
};

interface Pair {
  readonly session: string;
  readonly folder: FileSystemDirectoryHandle;
  readonly remote: string;
  readonly known: readonly unknown[];
}

/** What is remembered of one pair of folders. */
export interface Memory {
  readonly known: Known;
  /** Live: what is set is also kept. */
  readonly times: ReadonlyMap<string, Time>;
  setTime(path: string, time: Time): void;
  /** Replaces what is known; resolves when that, and the times, are on the disk. */
  save(known: Known): Promise<void>;
}

/** What is remembered of a session's two folders. Where the browser keeps nothing, as long as the page is open. */
export async function recall(session: string, folder: FileSystemDirectoryHandle, remote: Name): Promise<Memory> {
  try {
    const database = await openDatabase(PLAN);
    const found = await findPair(database, session, folder, keyOf(remote));
    const pair: Pair = { session, folder, remote: keyOf(remote), known: [] };
    const id = found?.id ?? ((await ask(database, PAIRS, "readwrite", (store) => store.add(pair))) as number);
    return new KeptMemory(database, id, pair, readKnown(found?.pair.known), await readTimes(database, id));
  } catch {
    return new KeptMemory(null, 0, null, new Map(), new Map());
  }
}

/** Forgets what belongs to sessions that are over. */
export async function forgetOld(isOver: (session: string) => Promise<boolean>): Promise<void> {
  const database = await openDatabase(PLAN);
  try {
    const over = new Map<string, boolean>();
    for (const [id, { session }] of await pairs(database)) {
      if (!over.has(session)) over.set(session, await isOver(session));
      if (over.get(session) !== true) continue;
      await ask(database, TIMES, "readwrite", (store) => store.delete(rangeOf(id)));
      await ask(database, PAIRS, "readwrite", (store) => store.delete(id));
    }
  } finally {
    database.close();
  }
}

class KeptMemory implements Memory {
  readonly #waiting = new Map<string, Time>();
  #writing: Promise<void> | null = null;

  constructor(
    private readonly database: IDBDatabase | null,
    private readonly id: number,
    private readonly pair: Pair | null,
    public known: Known,
    readonly times: Map<string, Time>,
  ) {}

  setTime(path: string, time: Time): void {
    this.times.set(path, time);
    this.#waiting.set(path, time);
    this.#writing ??= this.#write();
  }

  async save(known: Known): Promise<void> {
    this.known = known;
    while (this.#writing !== null) await this.#writing;
    if (this.database === null || this.pair === null) return;
    const pair = { ...this.pair, known: [...known].map(([path, [here, there]]) => [path, ...textOf(here), ...textOf(there)]) };
    await ask(this.database, PAIRS, "readwrite", (store) => store.put(pair, this.id));
  }

  /** All that waits, in one go; what comes meanwhile goes with the next. */
  async #write(): Promise<void> {
    while (this.#waiting.size > 0) {
      const some = [...this.#waiting];
      this.#waiting.clear();
      if (this.database === null) continue;
      await ask(this.database, TIMES, "readwrite", (store) => {
        for (const [path, { size, modified, as }] of some) store.put([size, modified, as], [this.id, path]);
        return store.count(IDBKeyRange.only([this.id, ""]));
      }).catch(() => undefined); // a full disk: it is known as long as the page is open
    }
    this.#writing = null;
  }
}

const textOf = ({ kind, size, modified }: Node): [NodeKind, number, number] => [kind, size, modified];

/** Whatever is no sense is nothing known. */
export function readKnown(kept: unknown): Known {
  const known = new Map<string, readonly [Node, Node]>();
  if (!Array.isArray(kept)) return known;
  for (const row of kept as unknown[]) {
    if (!Array.isArray(row) || typeof row[0] !== "string") return new Map();
    const [here, there] = [readNode(row.slice(1, 4)), readNode(row.slice(4, 7))];
    if (here === null || there === null) return new Map();
    known.set(row[0], [here, there]);
  }
  return known;
}

function readNode([kind, size, modified]: unknown[]): Node | null {
  if (kind !== "file" && kind !== "folder" && kind !== "other") return null;
  return typeof size === "number" && typeof modified === "number" ? { kind, size, modified } : null;
}

async function readTimes(database: IDBDatabase, id: number): Promise<Map<string, Time>> {
  const keys = (await ask(database, TIMES, "readonly", (store) => store.getAllKeys(rangeOf(id)))) as [number, string][];
  const values = (await ask(database, TIMES, "readonly", (store) => store.getAll(rangeOf(id)))) as [number, number, number][];
  const times = new Map<string, Time>();
  for (const [index, [, path]] of keys.entries()) {
    const [size, modified, as] = values[index] ?? [];
    if (size !== undefined && modified !== undefined && as !== undefined) times.set(path, { size, modified, as });
  }
  return times;
}

async function findPair(
  database: IDBDatabase,
  session: string,
  folder: FileSystemDirectoryHandle,
  remote: string,
): Promise<{ id: number; pair: Pair } | null> {
  for (const [id, pair] of await pairs(database)) {
    if (pair.session === session && pair.remote === remote && (await pair.folder.isSameEntry(folder))) return { id, pair };
  }
  return null;
}

async function pairs(database: IDBDatabase): Promise<[number, Pair][]> {
  const ids = (await ask(database, PAIRS, "readonly", (store) => store.getAllKeys())) as number[];
  const found = (await ask(database, PAIRS, "readonly", (store) => store.getAll())) as Pair[];
  return ids.map((id, index) => [id, found[index] as Pair]);
}

function rangeOf(id: number): IDBKeyRange {
  return IDBKeyRange.bound([id], [id, []]);
}
