/** For tests: a folder in memory that does what the File System Access API's would, as far as it is used. */

interface Content {
  data: Uint8Array<ArrayBuffer>;
  modified: number;
}

type Inner = MemoryFolder | Content;

const isContent = (inner: Inner): inner is Content => !(inner instanceof MemoryFolder);

/** What the clock of this disk says; each writing is later than the one before. */
let clock = 1_900_000_000_000;

export class MemoryFolder {
  readonly kind = "directory";
  readonly inner = new Map<string, Inner>();
  /** Names that cannot be written, as on a full disk. */
  readonly full = new Set<string>();

  constructor(readonly name = "mine") {}

  get handle(): FileSystemDirectoryHandle {
    return this as unknown as FileSystemDirectoryHandle;
  }

  /** Puts a file there, with its folders. */
  put(path: string, text: string, modified: number): this {
    const [name = "", ...rest] = path.split("/");
    if (rest.length === 0) {
      this.inner.set(name, { data: new TextEncoder().encode(text), modified });
      return this;
    }
    let folder = this.inner.get(name);
    if (!(folder instanceof MemoryFolder)) this.inner.set(name, (folder = new MemoryFolder(name)));
    folder.put(rest.join("/"), text, modified);
    return this;
  }

  /** All files and empty folders below, by path. */
  files(above = ""): Record<string, string> {
    const found: Record<string, string> = {};
    for (const [name, inner] of this.inner) {
      const path = above + name;
      if (isContent(inner)) found[path] = new TextDecoder().decode(inner.data);
      else if (inner.inner.size === 0) found[`${path}/`] = "";
      else Object.assign(found, inner.files(`${path}/`));
    }
    return found;
  }

  async *values(): AsyncGenerator<FileSystemHandle> {
    for (const [name, inner] of [...this.inner]) yield (isContent(inner) ? this.#file(name) : inner) as unknown as FileSystemHandle;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<MemoryFolder> {
    const found = this.inner.get(name);
    if (found instanceof MemoryFolder) return found;
    if (found !== undefined) throw new DOMException("", "TypeMismatchError");
    if (!create) throw new DOMException("", "NotFoundError");
    const made = new MemoryFolder(name);
    this.inner.set(name, made);
    return made;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<unknown> {
    const found = this.inner.get(name);
    if (found instanceof MemoryFolder) throw new DOMException("", "TypeMismatchError");
    if (found === undefined && !create) throw new DOMException("", "NotFoundError");
    if (found === undefined) this.inner.set(name, { data: new Uint8Array(0), modified: (clock += 1) });
    return this.#file(name);
  }

  async removeEntry(name: string): Promise<void> {
    const found = this.inner.get(name);
    if (found === undefined) throw new DOMException("", "NotFoundError");
    if (found instanceof MemoryFolder && found.inner.size > 0) throw new DOMException("", "InvalidModificationError");
    this.inner.delete(name);
  }

  #file(name: string): unknown {
    return {
      kind: "file",
      name,
      getFile: async () => {
        const found = this.inner.get(name);
        if (found === undefined || !isContent(found)) throw new DOMException("", "NotFoundError");
        return new File([found.data], name, { lastModified: found.modified });
      },
      createWritable: async () => {
        const pieces: Blob[] = [];
        return {
          write: async (piece: Blob) => {
            if (this.full.has(name)) throw new DOMException("", "QuotaExceededError");
            pieces.push(piece);
          },
          close: async () => {
            const data = new Uint8Array(await new Blob(pieces).arrayBuffer());
            this.inner.set(name, { data, modified: (clock += 1) });
          },
          abort: async () => undefined,
        };
      },
    };
  }
}
