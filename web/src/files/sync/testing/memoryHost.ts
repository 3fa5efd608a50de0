/** For tests: a host's files in memory behind the requests of docs/protocol.md §8, as far as they are used. */
import { RemoteProtocolError } from "../../../protocol/errors";
import type { Message } from "../../../protocol/messages";
import { CloseReason } from "../../../protocol/closeReasons";
import { RequestRefused, type OnPart, type Requests } from "../../../tools/requests";
import { StreamClosed } from "../../../tunnel/streams";
import { FilesClient } from "../../client";

interface Thing {
  kind: "file" | "folder" | "link";
  data: Uint8Array<ArrayBuffer>;
  modified: number;
  mode: number;
}

type Fields = Readonly<Record<string, unknown>>;

const folder = (): Thing => ({ kind: "folder", data: new Uint8Array(0), modified: 0, mode: 0o755 });
const entryOf = (name: string, { kind, data, modified, mode }: Thing): Fields => ({
  name,
  kind,
  size: data.length,
  modified,
  mode,
  owner: "ana",
  hidden: name.startsWith("."),
});

export class MemoryHost {
  readonly things = new Map<string, Thing>([["/top", folder()]]);
  /** Entries that are told besides, by folder: what a hostile host says. */
  readonly lies = new Map<string, unknown[]>();
  /** Called before each request; may throw, or close the connection by `cut`. */
  before: (op: string, path: string) => void = () => undefined;
  /** Called when a request was done, before it is answered. */
  after: () => void = () => undefined;
  #isCut = false;

  put(path: string, text: string, modified: number, mode = 0o644): this {
    const names = `/top/${path}`.split("/");
    for (let depth = 2; depth < names.length; depth++) {
      const above = names.slice(0, depth).join("/");
      if (!this.things.has(above)) this.things.set(above, folder());
    }
    this.things.set(names.join("/"), { kind: "file", data: new TextEncoder().encode(text), modified, mode });
    return this;
  }

  link(path: string): this {
    this.things.set(`/top/${path}`, { ...folder(), kind: "link" });
    return this;
  }

  /** All files and empty folders below the top, by path. */
  files(): Record<string, string> {
    const found: Record<string, string> = {};
    for (const [path, { kind, data }] of this.things) {
      if (path === "/top") continue;
      const isFull = [...this.things.keys()].some((each) => each.startsWith(`${path}/`));
      if (kind === "file") found[path.slice(5)] = new TextDecoder().decode(data);
      else if (!isFull) found[`${path.slice(5)}/`] = "";
    }
    return found;
  }

  /** The connection is gone; `client` makes a new one. */
  cut(): never {
    this.#isCut = true;
    throw new StreamClosed(CloseReason.HOST_OFFLINE);
  }

  client(): FilesClient {
    this.#isCut = false;
    const ask = (op: string, fields: Fields, onPart: OnPart, body?: Uint8Array): Promise<Message> => this.#ask(op, fields, onPart, body);
    return new FilesClient({ ask, close: () => (this.#isCut = true) } as unknown as Requests);
  }

  async #ask(op: string, fields: Fields, onPart: OnPart, body: Uint8Array | undefined): Promise<Message> {
    if (this.#isCut) throw new StreamClosed(CloseReason.HOST_OFFLINE);
    const path = String(fields.path);
    this.before(op, path);
    const answer = await this.#answer(op, path, fields, onPart, body);
    this.after();
    return answer;
  }

  async #answer(op: string, path: string, fields: Fields, onPart: OnPart, body: Uint8Array | undefined): Promise<Message> {
    const ok = (map: Fields, data: Uint8Array<ArrayBuffer> = new Uint8Array(0)): Message => ({ head: { ok: map }, headBytes: 1, body: data });
    const found = (): Thing => this.things.get(path) ?? refuse("missing");
    switch (op) {
      case "stat":
        return ok({ entry: entryOf("x", found()) });
      case "list": {
        if (found().kind !== "folder") refuse("missing");
        const names = [...this.things.keys()].filter((each) => each.startsWith(`${path}/`) && !each.includes("/", path.length + 1));
        const entries = [...names.map((each) => entryOf(each.slice(path.length + 1), this.things.get(each) as Thing)), ...(this.lies.get(path) ?? [])];
        if (entries.length > 0) await onPart({ head: { entries }, headBytes: 1, body: new Uint8Array(0) });
        if (this.#isCut) throw new StreamClosed(CloseReason.DONE);
        return ok({});
      }
      case "make":
        if (this.things.has(path)) refuse("exists");
        this.#needFolder(path);
        this.things.set(path, folder());
        return ok({});
      case "move":
        this.#move(path, String(fields.to));
        return ok({});
      case "read": {
        const { data, modified, mode } = found();
        return ok({ size: data.length, modified, mode, sha256: await sha256(data) }, data);
      }
      case "digest": {
        const { data, modified, mode } = found();
        return ok({ size: data.length, modified, mode, sha256: await sha256(data) });
      }
      case "put": {
        const last = this.things.get(path);
        if (last !== undefined && fields.overwrite !== true) refuse("exists");
        this.#needFolder(path);
        if (typeof fields.keep === "string" && last !== undefined) {
          this.#needFolder(fields.keep);
          this.things.set(fields.keep, last);
        }
        const mode = typeof fields.mode === "number" ? fields.mode : 0o644;
        this.things.set(path, { kind: "file", data: new Uint8Array(body ?? []), modified: Number(fields.modified), mode });
        return ok({});
      }
      default:
        throw new RemoteProtocolError(`No such request here: ${op}`);
    }
  }

  #needFolder(path: string): void {
    if (this.things.get(path.slice(0, path.lastIndexOf("/")))?.kind !== "folder") refuse("missing");
  }

  #move(path: string, to: string): void {
    if (!this.things.has(path)) refuse("missing");
    if (this.things.has(to)) refuse("exists");
    this.#needFolder(to);
    for (const [each, thing] of [...this.things]) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      this.things.delete(each);
      this.things.set(to + each.slice(path.length), thing);
    }
  }
}

function refuse(code: string): never {
  throw new RequestRefused(code);
}

async function sha256(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}
