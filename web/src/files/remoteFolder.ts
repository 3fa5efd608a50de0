/** What the technician looks at on the computer: one folder, or what a search found below it. */
import { computed, signal } from "@preact/signals";
import type { PlainKey } from "../i18n/text";
import type { OpenTool } from "../tools/connection";
import { RequestRefused, Requests } from "../tools/requests";
import { FilesClient, type Entry, type Root } from "./client";
import { sentenceOfProblem } from "./jobs";
import { clean } from "../text/clean";
import { isWithin, joinAll, joinPath, keyOf, shownName, shownPath, type Name } from "./paths";
import type { FileRow } from "./rows";

export class RemoteFolder {
  readonly roots = signal<readonly Root[]>([]);
  /** The customer allowed these roots only. */
  readonly isLimited = signal(false);
  readonly path = signal<Name | null>(null);
  readonly entries = signal<readonly Entry[]>([]);
  readonly isLoading = signal(false);
  readonly fault = signal<PlainKey | null>(null);
  readonly showsHidden = signal(false);
  /** What was searched for; empty while a folder is listed. */
  readonly pattern = signal("");
  readonly rows = computed(() => this.entries.value.map(rowOf));
  #opened: OpenTool | null = null;
  #looking: Requests | null = null;
  #acting: FilesClient | null = null;
  /** Counts looks: only the last one's answers are shown. */
  #look = 0;

  /** There is a connection now; null: there is none. What is shown stays. */
  connect(opened: OpenTool | null): void {
    this.#opened = opened;
    this.#looking = null;
    this.#acting = opened === null ? null : new FilesClient(new Requests(opened.channel));
    if (opened !== null) void this.#begin();
  }

  /** The thing that a row stands for, with its path. */
  find(key: string): { entry: Entry; path: Name } | null {
    const entry = this.entries.peek().find((each) => keyOfEntry(each) === key);
    const folder = this.path.peek();
    if (entry === undefined || folder === null) return null;
    return { entry, path: joinPath(folderOf(entry, folder), entry.name) };
  }

  /** Shows a folder. */
  async open(path: Name): Promise<void> {
    this.pattern.value = "";
    const isOther = this.path.peek() === null || keyOf(this.path.peek() ?? "") !== keyOf(path);
    this.path.value = path;
    if (isOther) this.entries.value = [];
    await this.#show((client, onPage) => client.list(path, this.showsHidden.peek(), onPage));
  }

  /** Shows what has such a name below the folder; an empty pattern shows the folder again. */
  async search(pattern: string): Promise<void> {
    const path = this.path.peek();
    if (path === null) return;
    if (pattern.trim() === "") return this.open(path);
    this.pattern.value = pattern.trim();
    this.entries.value = [];
    await this.#show((client, onPage) => client.search(path, pattern.trim(), this.showsHidden.peek(), onPage));
  }

  async refresh(): Promise<void> {
    const path = this.path.peek();
    if (path !== null) await (this.pattern.peek() === "" ? this.open(path) : this.search(this.pattern.peek()));
  }

  /** Does something to the computer, then looks again. @throws RequestRefused, StreamClosed. */
  async act(work: (client: FilesClient) => Promise<void>): Promise<void> {
    if (this.#acting === null) throw new RequestRefused("busy");
    try {
      await work(this.#acting);
    } finally {
      void this.refresh();
    }
  }

  /** Bytes, files and folders below a folder. On a stream of its own, which `signal` closes: it may take long. */
  async measure(path: Name, signal: AbortSignal): ReturnType<FilesClient["measure"]> {
    if (this.#opened === null) throw new RequestRefused("busy");
    const requests = new Requests(await this.#opened.openStream("files"));
    signal.addEventListener("abort", () => requests.close());
    if (signal.aborted) requests.close();
    try {
      return await new FilesClient(requests).measure(path);
    } finally {
      requests.close();
    }
  }

  async #begin(): Promise<void> {
    try {
      const { roots, isLimited } = await (this.#acting as FilesClient).roots();
      this.roots.value = roots;
      this.isLimited.value = isLimited;
      const known = this.path.peek();
      const first = roots[0];
      if (known !== null && (!isLimited || roots.some((root) => isWithin(known, root.path)))) await this.refresh();
      else if (first !== undefined) await this.open(first.path);
    } catch (error) {
      this.fault.value = sentenceOfProblem(error);
    }
  }

  async #show(find: (client: FilesClient, onPage: (entries: Entry[]) => void) => Promise<void>): Promise<void> {
    const opened = this.#opened;
    if (opened === null) return;
    const look = (this.#look += 1);
    const isLast = (): boolean => look === this.#look;
    // Whoever goes elsewhere does not wait for a folder of a million things.
    if (this.isLoading.peek()) {
      this.#looking?.close();
      this.#looking = null;
    }
    this.isLoading.value = true;
    this.fault.value = null;
    const found: Entry[] = [];
    // A row stands for one thing: what is told twice, by a disk that changes meanwhile or a host that lies, is there once.
    const keys = new Set<string>();
    const tell = throttled(() => {
      if (isLast()) this.entries.value = [...found];
    });
    try {
      this.#looking ??= new Requests(await opened.openStream("files"));
      if (!isLast()) return;
      await find(new FilesClient(this.#looking), (entries) => {
        for (const entry of entries) {
          const size = keys.size;
          if (keys.add(keyOfEntry(entry)).size > size) found.push(entry);
        }
        tell();
      });
    } catch (error) {
      if (!(error instanceof RequestRefused)) this.#looking = null;
      if (isLast()) this.fault.value = sentenceOfProblem(error);
    } finally {
      if (isLast()) {
        this.entries.value = found;
        this.isLoading.value = false;
      }
    }
  }
}

/** Milliseconds between two drawings of a folder that is still being listed. */
const TELL_EVERY_MS = 300;

function throttled(tell: () => void): () => void {
  let last = performance.now();
  return () => {
    if (performance.now() - last < TELL_EVERY_MS) return;
    last = performance.now();
    tell();
  };
}

/** A search's finds may have the same name in several folders. */
function keyOfEntry(entry: Entry): string {
  return entry.below === null ? keyOf(entry.name) : `${keyOf(entry.below)}\n${keyOf(entry.name)}`;
}

/** The folder of what a search found; the host's word for it leads nowhere above where the search began. */
function folderOf(entry: Entry, top: Name): Name {
  if (entry.below === null) return top;
  if (typeof entry.below !== "string") return joinPath(top, entry.below);
  return joinAll(top, entry.below.split("/").filter((name) => name !== "." && name !== ".." && name !== ""));
}

/** Permission bits as `ls` writes them: `rw-r--r--`. */
function modeText(mode: number): string {
  return [6, 3, 0]
    .map((shift) => ["r", "w", "x"].map((letter, bit) => ((mode >> (shift + 2 - bit)) & 1 ? letter : "-")).join(""))
    .join("");
}

function rowOf(entry: Entry): FileRow {
  const target = entry.target === null ? "" : `→ ${shownPath(entry.target)}`;
  const below = entry.below === null ? "" : shownPath(entry.below);
  return {
    key: keyOfEntry(entry),
    name: shownName(entry.name),
    kind: entry.kind,
    size: entry.kind === "file" ? entry.size : null,
    modified: entry.modified,
    note: target || below,
    owner: `${clean(entry.owner)} ${modeText(entry.mode)}`,
  };
}
