/** The File Manager's requests (docs/protocol.md §8). What the host says is untrusted. */
import type { Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { RemoteProtocolError } from "../protocol/errors";
import { MessageFields, type Message } from "../protocol/messages";
import { Extent, RequestRefused, type Requests } from "../tools/requests";
import type { Name } from "./paths";

export type Kind = "file" | "folder" | "link" | "other";

/** Of one folder or search; more is nothing that a person looks at. */
export const MAX_ENTRIES = 200_000;
/** Of them, as they came. */
export const MAX_ENTRIES_BYTES = 96 << 20;
export const MAX_SIZE = 2 ** 53 - 1;
const MAX_TIME = 2 ** 43;
const MAX_ROOTS = 256;
const NO_SHA256: Bytes = new Uint8Array(32);

export interface Entry {
  readonly name: Name;
  readonly kind: Kind;
  /** Bytes of a file, else 0. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** Permission bits. */
  readonly mode: number;
  readonly owner: string;
  readonly isHidden: boolean;
  /** Where a link leads. */
  readonly target: Name | null;
  /** Of what a search found: the folder, from where it began. */
  readonly below: Name | null;
}

/** Where looking begins. */
export interface Root {
  readonly path: Name;
  readonly kind: string;
  /** What the disk is called; empty where it has no name. */
  readonly name: string;
  /** Bytes of its disk, where they are known. */
  readonly total: number | null;
  readonly free: number | null;
}

export interface Facts {
  readonly size: number;
  readonly modified: number;
  readonly mode: number;
}

export interface Totals {
  readonly size: number;
  readonly files: number;
  readonly folders: number;
}

export interface NewFile {
  readonly size: number;
  readonly modified: number;
  /** What the transfer is called on the host, 32 hexadecimal digits: the same at each attempt, to go on with its part. */
  readonly transfer: string;
  readonly overwrite: boolean;
}

/** Everything throws RequestRefused if the host could not do it, and StreamClosed if the stream was closed. */
export class FilesClient {
  constructor(readonly requests: Requests) {}

  /** Where looking begins, and whether the customer allowed these folders only. */
  async roots(): Promise<{ roots: Root[]; isLimited: boolean }> {
    const ok = okOf(await this.requests.ask("roots"));
    const roots = ok.list("roots").slice(0, MAX_ROOTS).map(readRoot);
    return { roots, isLimited: ok.has("limited") && ok.flag("limited") };
  }

  /** A folder's entries, page by page, in no order. */
  async list(path: Name, hidden: boolean, onPage: (entries: Entry[]) => void): Promise<void> {
    await this.#pages("list", { path, hidden }, onPage);
  }

  /** What has a name like `pattern` below a folder, page by page. */
  async search(path: Name, pattern: string, hidden: boolean, onPage: (entries: Entry[]) => void): Promise<void> {
    await this.#pages("search", { path, pattern, hidden }, onPage);
  }

  async stat(path: Name): Promise<Entry> {
    return readEntry(okOf(await this.requests.ask("stat", { path })).fields("entry"));
  }

  /** Of a whole tree. */
  async measure(path: Name): Promise<Totals> {
    const ok = okOf(await this.requests.ask("measure", { path }));
    return { size: ok.number("size"), files: ok.number("files"), folders: ok.number("folders") };
  }

  async make(path: Name): Promise<void> {
    await this.requests.ask("make", { path });
  }

  /** Moves or renames. */
  async move(path: Name, to: Name, overwrite: boolean): Promise<void> {
    await this.requests.ask("move", { path, to, overwrite });
  }

  async copy(path: Name, to: Name, overwrite: boolean): Promise<void> {
    await this.requests.ask("copy", { path, to, overwrite });
  }

  /** Deletes for good, or into the trash. */
  async delete(path: Name, final: boolean): Promise<void> {
    await this.requests.ask("delete", { path, final });
  }

  /**
   * Reads a file.
   *
   * @param have what there is of it already: bytes, and their SHA-256.
   * @param onBegin is told, before any piece, where the pieces begin: at what there is, or at 0.
   * @param onPiece is given the pieces in order; the next one waits for it.
   * @returns the file's facts and SHA-256; the caller compares it.
   */
  async read(
    path: Name,
    have: { offset: number; prefix: Bytes } | null,
    onBegin: (facts: Facts, offset: number) => Promise<void>,
    onPiece: (piece: Bytes) => Promise<void>,
  ): Promise<{ facts: Facts; sha256: Bytes }> {
    let at = -1;
    let size = 0;
    const done = await this.requests.ask("read", { path, ...have }, async (message) => {
      const fields = new MessageFields(message.head);
      if (at < 0) {
        const begins = fields.fields("begins");
        const facts = readFacts(begins);
        at = begins.number("offset", 0, facts.size);
        if (at !== 0 && at !== have?.offset) throw new RemoteProtocolError("A file that begins in its middle.");
        size = facts.size;
        await onBegin(facts, at);
        return;
      }
      fields.number("offset", at, at);
      at += message.body.length;
      if (at > size || message.body.length === 0) throw new RemoteProtocolError("More than the file has.");
      await onPiece(message.body);
    });
    const ok = okOf(done);
    const facts = readFacts(ok);
    if (at < 0) {
      if (done.body.length !== facts.size) throw new RemoteProtocolError("A file of another size.");
      await onBegin(facts, 0);
      if (done.body.length > 0) await onPiece(done.body);
    }
    return { facts, sha256: ok.bytes("sha256", 32) };
  }

  /** Writes a small file at once. */
  async put(path: Name, file: NewFile, body: Bytes, sha256: Bytes): Promise<void> {
    await this.requests.ask("put", { path, ...file, sha256 }, undefined, body);
  }

  /**
   * Writes a file piece by piece. No other request may be asked until it is done.
   *
   * @param send is told what an earlier try left, and sends the rest through `Pieces`; resolves to the SHA-256 of all,
   *   or to null to give the file up, which is then refused as `dropped`.
   */
  async write(
    path: Name,
    file: NewFile,
    send: (left: { offset: number; prefix: Bytes }, pieces: Pieces) => Promise<Bytes | null>,
  ): Promise<void> {
    let go: (message: Message) => void = () => undefined;
    const ready = new Promise<Message>((resolve) => (go = resolve));
    const { id, done } = this.requests.begin("write", { path, ...file }, (message) => go(message));
    const refused = done.then(() => Promise.reject(new RemoteProtocolError("A file that was done before its end.")));
    refused.catch(() => undefined);
    const fields = new MessageFields((await Promise.race([ready, refused])).head).fields("go");
    const left = { offset: fields.number("offset", 0, file.size), prefix: fields.bytes("prefix", 32) };
    const pieces = new Pieces(this.requests, id, refused);
    try {
      const sha256 = await send(left, pieces);
      if (sha256 === null) await this.requests.send({ id, drop: true });
      await this.requests.send({ id, end: sha256 ?? NO_SHA256 });
    } catch (error) {
      // A host that refused waits for the end of what is under way. After anything else the stream is of no more use;
      // what the host has of the file stays there for the next attempt.
      if (!(error instanceof RequestRefused)) this.requests.close(CloseReason.DETACHED);
      else await this.requests.send({ id, end: NO_SHA256 });
      throw error;
    }
    await done;
  }

  async #pages(op: string, fields: Record<string, unknown>, onPage: (entries: Entry[]) => void): Promise<void> {
    const extent = new Extent(MAX_ENTRIES, MAX_ENTRIES_BYTES);
    await this.requests.ask(op, fields, (part) => {
      const entries = new MessageFields(part.head).list("entries");
      extent.add(part, entries.length);
      onPage(entries.map((value) => readEntry(MessageFields.of(value))));
    });
  }
}

/** The way for a file's pieces. */
export class Pieces {
  constructor(
    private readonly requests: Requests,
    private readonly id: number,
    private readonly refused: Promise<never>,
  ) {}

  /** @throws RequestRefused as soon as the host cannot go on. */
  send(offset: number, piece: Bytes): Promise<void> {
    return Promise.race([this.requests.send({ id: this.id, offset }, piece), this.refused]);
  }

  /** What the host has is not the beginning of this file. */
  restart(): Promise<void> {
    return Promise.race([this.requests.send({ id: this.id, restart: true }), this.refused]);
  }
}

function okOf(message: Message): MessageFields {
  return new MessageFields(message.head).fields("ok");
}

function readFacts(fields: MessageFields): Facts {
  return {
    size: fields.number("size", 0, MAX_SIZE),
    modified: fields.number("modified", -MAX_TIME, MAX_TIME),
    mode: fields.number("mode", 0, 0o7777),
  };
}

/** @throws RemoteProtocolError if it is none. */
export function readEntry(fields: MessageFields): Entry {
  const name = fields.name("name");
  const kind = fields.text("kind", 16);
  if (!isName(name) || !isKind(kind)) throw new RemoteProtocolError("An entry has a name and a kind.");
  return {
    ...readFacts(fields),
    name,
    kind,
    owner: fields.text("owner"),
    isHidden: fields.flag("hidden"),
    target: fields.has("target") ? fields.name("target") : null,
    below: fields.has("below") ? fields.name("below") : null,
  };
}

function readRoot(value: unknown): Root {
  const fields = MessageFields.of(value);
  const size = (name: string): number | null => (fields.has(name) ? fields.number(name, 0, MAX_SIZE) : null);
  const name = fields.has("name") ? fields.text("name", 256) : "";
  return { path: fields.name("path"), kind: fields.text("kind", 16), name, total: size("total"), free: size("free") };
}

function isKind(kind: string): kind is Kind {
  return kind === "file" || kind === "folder" || kind === "link" || kind === "other";
}

/** Whether it can be one step of a path: what is joined to a path of ours must not lead elsewhere. */
export function isName(name: Name): boolean {
  if (typeof name === "string") return !["", ".", ".."].includes(name) && !/[/\0]/.test(name);
  return name.length > 0 && !name.includes(0x2f) && !name.includes(0);
}
