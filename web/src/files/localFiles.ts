/**
 * Files of the technician's own computer, as far as a browser lets a page near them: what they chose or dropped, and,
 * where there is the File System Access API, folders that they opened for this page.
 */
import { partsFolder } from "./parts";
import { LocalProblem } from "./workerLink";

/** A file to send, and where it goes below the folder that it is sent to. */
export interface Source {
  /** Folders, then the file's name. */
  readonly path: readonly string[];
  readonly open: () => Promise<File>;
}

/** Where a fetched file goes. */
export interface Target {
  /** Takes the part, which is whole and verified; resolves to whether it may be deleted now. @throws LocalProblem. */
  take(part: Blob): Promise<boolean>;
}

/** What the browser can do about folders of this computer. */
export const canOpenFolders = "showDirectoryPicker" in globalThis;

interface Pickers {
  showDirectoryPicker(options: { id: string; mode: "readwrite" }): Promise<FileSystemDirectoryHandle>;
}

/** Lets the technician choose a folder; null if they would rather not. */
export async function chooseFolder(): Promise<FileSystemDirectoryHandle | null> {
  try {
    return await (globalThis as unknown as Pickers).showDirectoryPicker({ id: "adhoc-files", mode: "readwrite" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    throw problemOf(error);
  }
}

/** Sources below one thing of a folder, without following anything. */
export async function* sourcesOfHandle(handle: FileSystemHandle, above: readonly string[] = []): AsyncGenerator<Source> {
  const path = [...above, handle.name];
  if (isFile(handle)) {
    yield { path, open: () => handle.getFile().catch((error: unknown) => Promise.reject(problemOf(error))) };
    return;
  }
  for await (const child of entriesOf(handle as FileSystemDirectoryHandle)) yield* sourcesOfHandle(child, path);
}

/** Sources below things of a folder, by name; what is gone meanwhile is passed over. */
export async function* entriesBelow(folder: FileSystemDirectoryHandle, names: readonly string[]): AsyncGenerator<Source> {
  const wanted = new Set(names);
  for await (const handle of entriesOf(folder)) if (wanted.has(handle.name)) yield* sourcesOfHandle(handle);
}

/** Sources of an `<input type="file">`, also of one that takes folders. */
export function sourcesOfFiles(files: Iterable<File>): Source[] {
  return Array.from(files, (file) => ({
    path: file.webkitRelativePath === "" ? [file.name] : file.webkitRelativePath.split("/"),
    open: () => Promise.resolve(file),
  }));
}

/** What was dropped from outside the browser; must be called before the drop's event is over. */
export function sourcesOfDrop(transfer: DataTransfer): AsyncGenerator<Source> {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (async function* () {
    for (const entry of entries) yield* sourcesOfEntry(entry, []);
  })();
}

async function* sourcesOfEntry(entry: FileSystemEntry, above: readonly string[]): AsyncGenerator<Source> {
  const path = [...above, entry.name];
  if (entry.isFile) {
    const open = (): Promise<File> =>
      new Promise((resolve, reject) =>
        (entry as FileSystemFileEntry).file(resolve, (error) => reject(problemOf(error))),
      );
    yield { path, open };
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const page = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, (error) => reject(problemOf(error))),
    );
    if (page.length === 0) return;
    for (const child of page) yield* sourcesOfEntry(child, path);
  }
}

/** Copied from a part into an opened folder at a time, bytes. */
const COPY_BYTES = 16 << 20;

/** A file in an opened folder. */
export class FolderTarget implements Target {
  /** @param path folders below `root`, then the file's name. */
  constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly path: readonly string[],
    private readonly overwrite: boolean,
  ) {}

  async take(part: Blob): Promise<boolean> {
    try {
      const folder = await folderAt(this.root, this.path.slice(0, -1));
      const name = this.path.at(-1) ?? "";
      if (!this.overwrite && (await has(folder, name))) throw new LocalProblem("exists");
      const isNew = !(await has(folder, name));
      const handle = await folder.getFileHandle(name, { create: true });
      try {
        await writeAll(handle, part);
        return true;
      } catch (error) {
        if (isNew) await folder.removeEntry(name).catch(() => undefined);
        throw error;
      }
    } catch (error) {
      throw problemOf(error);
    }
  }
}

/**
 * Makes a blob the content of a file. The browser writes beside it, and gives it the name when all is there.
 *
 * By reference: the browser copies the bytes by itself, and none of them passes through the page. What a stream would hand
 * over piece by piece is collected late: 200 MB of it lay about at the end of 2 GiB, twice as much after 4.
 */
export async function writeAll(handle: FileSystemFileHandle, content: Blob): Promise<void> {
  const writable = await handle.createWritable();
  try {
    for (let at = 0; at < content.size; at += COPY_BYTES) await writable.write(content.slice(at, at + COPY_BYTES));
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => undefined);
    throw error;
  }
}

/** Where the browser puts what is downloaded; it asks, or not, as its owner wants. */
export class DownloadTarget implements Target {
  constructor(private readonly name: string) {}

  take(part: Blob): Promise<boolean> {
    const link = document.createElement("a");
    const url = URL.createObjectURL(part);
    link.href = url;
    link.download = this.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), REVOKE_AFTER);
    // The browser may still be reading it.
    return Promise.resolve(false);
  }
}

/** Milliseconds in which a browser has begun to read what it was given. */
const REVOKE_AFTER = 60_000;

/** What there is of a download. */
export async function partFile(session: string, name: string): Promise<File> {
  return (await (await partsFolder(session)).getFileHandle(name)).getFile();
}

/** A folder below `root`, made where it is not there. */
export async function folderAt(root: FileSystemDirectoryHandle, names: readonly string[]): Promise<FileSystemDirectoryHandle> {
  let folder = root;
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create: true });
  return folder;
}

/** A file below `root`; null if there is none. */
export async function fileAt(root: FileSystemDirectoryHandle, names: readonly string[]): Promise<File | null> {
  try {
    let folder = root;
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
    return await (await folder.getFileHandle(names.at(-1) ?? "")).getFile();
  } catch {
    return null;
  }
}

/** Whether there is anything of this name. */
export async function has(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  try {
    await folder.getFileHandle(name);
    return true;
  } catch (error) {
    // A folder of this name is a mismatch.
    return !(error instanceof DOMException && error.name === "NotFoundError");
  }
}

/** What is in a folder, in no order. */
export function entriesOf(folder: FileSystemDirectoryHandle): AsyncIterable<FileSystemHandle> {
  return (folder as unknown as { values(): AsyncIterable<FileSystemHandle> }).values();
}

export function isFile(handle: FileSystemHandle): handle is FileSystemFileHandle {
  return handle.kind === "file";
}

/** What the browser said, as ours. */
export function problemOf(error: unknown): Error {
  if (error instanceof LocalProblem) return error;
  return new LocalProblem(error instanceof DOMException || error instanceof TypeError ? error.name : "Error");
}
