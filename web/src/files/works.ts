/** The works of copying: from the computer into an opened folder or the browser's downloads, and to the computer. */
import { RequestRefused } from "../tools/requests";
import type { Entry, FilesClient } from "./client";
import type { Task, Work } from "./jobs";
import { MAX_TASKS } from "./jobs";
import { DownloadTarget, FolderTarget, fileAt, folderAt, problemOf, type Source, type Target } from "./localFiles";
import { joinAll, joinPath, keyOf, shownName, shownPath, type Name } from "./paths";
import { DEVICE } from "./sync/names";
import { download, upload, type Workshop } from "./transfers";
import { LocalProblem } from "./workerLink";

interface Common {
  readonly session: string;
  readonly workshop: Workshop;
  readonly title: string;
  readonly overwrite: boolean;
  /** Milliseconds since 1970 at which the job began in another tab; what has arrived since is not replaced once more. */
  readonly since?: number;
}

/** Something of the computer that is to be fetched. */
export interface Wanted {
  readonly path: Name;
  readonly entry: Entry;
}

/**
 * Fetches files and folders.
 *
 * @param root where they go; null hands each file to the browser's downloads.
 */
export function fetching(common: Common, wanted: readonly Wanted[], root: FileSystemDirectoryHandle | null): Work {
  const targetOf = (names: readonly string[]): Target =>
    root === null ? new DownloadTarget(names.at(-1) ?? "file") : new FolderTarget(root, names, common.overwrite);
  async function* tasks(client: FilesClient): AsyncGenerator<Task> {
    const taken = new Set<string>();
    for (const { path, entry } of wanted) {
      for await (const found of filesBelow(client, path, entry)) {
        if (found.entry.kind === "folder") {
          if (root !== null) await folderAt(root, found.names).catch((error: unknown) => Promise.reject(problemOf(error)));
          continue;
        }
        // Two names of the computer may be one here, and a host may tell one twice: none replaces what was just fetched.
        const key = found.names.join("/").normalize("NFC").toLowerCase();
        const isTaken = taken.has(key);
        taken.add(key);
        yield {
          name: shownPath(found.path),
          size: found.entry.size,
          run: async (runner, progress) => {
            if (root !== null && isTaken) throw new LocalProblem("same_name");
            if (root !== null && (await arrivedHere(common, root, found))) return;
            const target = targetOf(found.names);
            await download(runner, common.workshop, common.session, found.path, found.entry, target, progress);
          },
        };
      }
    }
  }
  return { direction: "down", title: common.title, overwrite: common.overwrite, tasks };
}

interface Found extends Wanted {
  /** Folders from where the walk began, then its own name, as this computer can have them. */
  readonly names: readonly string[];
}

/** A tree's folders and files, each folder before what is in it; links and special files are passed over. */
export async function* filesBelow(client: FilesClient, path: Name, entry: Entry): AsyncGenerator<Found> {
  const waiting: Found[] = [{ path, entry, names: [localName(entry.name)] }];
  // The host may tell of trees without end, in any direction.
  let count = 0;
  let units = 0;
  for (let found = waiting.pop(); found !== undefined; found = waiting.pop()) {
    const { kind } = found.entry;
    if (kind === "file" || kind === "folder") yield found;
    if (kind !== "folder") continue;
    const below: Found[] = [];
    const { path: folder, names } = found;
    if (names.length >= MAX_DEPTH) throw new RequestRefused("too_deep");
    await client.list(folder, true, (entries) => {
      for (const each of entries) {
        const path = joinPath(folder, each.name);
        count += 1;
        units += path.length;
        if (path.length > MAX_PATH) throw new RequestRefused("too_deep");
        if (count > MAX_TASKS || units > MAX_UNITS) throw new LocalProblem("too_many");
        below.push({ path, entry: each, names: [...names, localName(each.name)] });
      }
    });
    waiting.push(...below.sort((a, b) => (keyOf(a.entry.name) < keyOf(b.entry.name) ? 1 : -1)));
  }
}

const MAX_DEPTH = 100;
/** Of one path: a host takes no longer ones. */
const MAX_PATH = 4096;
/** Of all paths together, while the tree is walked. */
const MAX_UNITS = 64 << 20;

/** A name that this computer's system can have too: what is special to any of them is replaced. */
export function localName(name: Name): string {
  const shown = shownName(name)
    .replace(/[<>:"/\\|?*]/g, "_")
    .replace(/[. ]+$/, "_");
  return DEVICE.test(shown) ? `_${shown}` : shown || "_";
}

/** Sends files and folders into a folder of the computer. */
export function sending(common: Common, sources: () => AsyncIterable<Source> | Iterable<Source>, folder: Name): Work {
  async function* tasks(client: FilesClient): AsyncGenerator<Task> {
    const made = new Set<string>();
    for await (const source of sources()) {
      await makeFolders(client, folder, source.path.slice(0, -1), made);
      const file = await source.open();
      const path = joinAll(folder, source.path);
      yield {
        name: source.path.join("/"),
        size: file.size,
        run: async (runner, progress, signal) => {
          const opened = await source.open();
          if (await arrivedThere(common, runner, path, opened)) return;
          await upload(runner, common.workshop, common.session, opened, path, common.overwrite, progress, signal);
        },
      };
    }
  }
  return { direction: "up", title: common.title, overwrite: common.overwrite, tasks };
}

/** Whether a file that would be replaced is the one that an earlier tab has fetched. */
async function arrivedHere(
  { overwrite, since }: Common,
  root: FileSystemDirectoryHandle,
  { names, entry }: Found,
): Promise<boolean> {
  if (!overwrite || since === undefined) return false;
  const file = await fileAt(root, names);
  return file !== null && file.size === entry.size && file.lastModified >= since;
}

/** Whether a file that would be replaced is the one that an earlier tab has sent: the computer gave it our file's time. */
async function arrivedThere({ overwrite, since }: Common, client: FilesClient, path: Name, file: File): Promise<boolean> {
  if (!overwrite || since === undefined) return false;
  const there = await client.stat(path).catch((error: unknown) => {
    if (error instanceof RequestRefused) return null;
    throw error;
  });
  return there !== null && there.size === file.size && there.modified === file.lastModified;
}

async function makeFolders(client: FilesClient, top: Name, names: readonly string[], made: Set<string>): Promise<void> {
  for (let depth = 1; depth <= names.length; depth++) {
    const path = joinAll(top, names.slice(0, depth));
    if (made.has(keyOf(path))) continue;
    await client.make(path).catch((error: unknown) => {
      if (!(error instanceof RequestRefused) || error.code !== "exists") throw error;
    });
    made.add(keyOf(path));
  }
}
