/** A folder of the technician's own computer that they opened for this page, and the way to it. */
import { signal } from "@preact/signals";
import type { PlainKey } from "../i18n/text";
import { sentenceOfProblem } from "./jobs";
import { chooseFolder, entriesOf, isFile, problemOf } from "./localFiles";
import type { FileRow } from "./rows";

/** Entries of which size and time are asked; each costs the browser a look at the disk. */
const MAX_ASKED = 3000;

export class LocalFolder {
  /** The opened folder first, then those on the way to what is shown; empty while none is open. */
  readonly way = signal<readonly FileSystemDirectoryHandle[]>([]);
  readonly rows = signal<readonly FileRow[]>([]);
  readonly isLoading = signal(false);
  readonly fault = signal<PlainKey | null>(null);
  #handles = new Map<string, FileSystemHandle>();
  #look = 0;

  get current(): FileSystemDirectoryHandle | null {
    return this.way.value.at(-1) ?? null;
  }

  /** Lets the technician choose the folder. */
  async choose(): Promise<void> {
    await this.#try(async () => {
      const chosen = await chooseFolder();
      if (chosen === null) return;
      this.way.value = [chosen];
      await this.refresh();
    });
  }

  /** Goes into a folder of this one. */
  async enter(key: string): Promise<void> {
    const handle = this.#handles.get(key);
    if (handle === undefined || isFile(handle)) return;
    this.way.value = [...this.way.peek(), handle as FileSystemDirectoryHandle];
    await this.refresh();
  }

  /** Goes back to a folder on the way; 0 is the opened one. */
  async backTo(depth: number): Promise<void> {
    this.way.value = this.way.peek().slice(0, depth + 1);
    await this.refresh();
  }

  handle(key: string): FileSystemHandle | null {
    return this.#handles.get(key) ?? null;
  }

  async make(name: string): Promise<void> {
    await this.#try(async () => {
      await this.current?.getDirectoryHandle(name, { create: true });
      await this.refresh();
    });
  }

  /** Deletes for good: a browser knows no trash. */
  async delete(keys: Iterable<string>): Promise<void> {
    await this.#try(async () => {
      for (const key of keys) await this.current?.removeEntry(key, { recursive: true });
    });
    await this.refresh();
  }

  async refresh(): Promise<void> {
    const folder = this.current;
    if (folder === null) return;
    const look = (this.#look += 1);
    this.isLoading.value = true;
    await this.#try(async () => {
      const handles = new Map<string, FileSystemHandle>();
      const rows: FileRow[] = [];
      for await (const handle of entriesOf(folder)) {
        if (look !== this.#look) return;
        handles.set(handle.name, handle);
        rows.push(await rowOf(handle, rows.length < MAX_ASKED));
      }
      this.#handles = handles;
      this.rows.value = rows;
    });
    if (look === this.#look) this.isLoading.value = false;
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.fault.value = null;
    try {
      await work();
    } catch (error) {
      this.fault.value = sentenceOfProblem(problemOf(error));
    }
  }
}

async function rowOf(handle: FileSystemHandle, isAsked: boolean): Promise<FileRow> {
  const row = { key: handle.name, name: handle.name, note: "", owner: "" };
  if (!isFile(handle)) return { ...row, kind: "folder", size: null, modified: null };
  const file = isAsked ? await handle.getFile().catch(() => null) : null;
  return { ...row, kind: "file", size: file?.size ?? null, modified: file?.lastModified ?? null };
}
