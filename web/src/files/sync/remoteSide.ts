/** The folder on the customer's computer: looked at, and changed, by requests. What it says is untrusted. */
import { RemoteProtocolError } from "../../protocol/errors";
import { MessageFields } from "../../protocol/messages";
import { Extent, RequestRefused } from "../../tools/requests";
import { type FilesClient, MAX_ENTRIES, MAX_ENTRIES_BYTES, isName, readEntry, type Entry } from "../client";
import { joinAll, shownName, type Name } from "../paths";
import type { Bytes } from "../../protocol/bytes";
import { sentenceOfProblem } from "../jobs";
import { isOurs, whyNotHere } from "./names";
import type { Node } from "./plan";
import { Tree, below, namelessPath } from "./tree";

/** Folders that are asked for before the first one's answer is read. */
const LISTS_AT_ONCE = 16;
const NOTHING: Node = { kind: "other", size: 0, modified: 0 };

/** All throws RequestRefused, StreamClosed. */
export class RemoteSide {
  constructor(
    readonly client: FilesClient,
    readonly top: Name,
  ) {}

  /** Where a path relative to the folder is. */
  at(path: string): Name {
    return path === "" ? this.top : joinAll(this.top, path.split("/"));
  }

  /** What is there; undefined: nothing. */
  async node(path: string): Promise<Node | undefined> {
    try {
      return nodeOf(await this.client.stat(this.at(path)));
    } catch (error) {
      if (error instanceof RequestRefused && error.code === "missing") return undefined;
      throw error;
    }
  }

  /**
   * What is below a folder, `from` the top or a folder in it.
   *
   * @param takesHidden whether hidden things are wanted; else they are only noted.
   * @param onCount is told how many things there are so far.
   * @throws LocalProblem: there are too many.
   */
  async tree(takesHidden: boolean, onCount: (count: number) => void = () => undefined, from = ""): Promise<Tree> {
    const tree = new Tree();
    const waiting = [from];
    while (waiting.length > 0) {
      const folders = waiting.splice(0, LISTS_AT_ONCE);
      const looks = folders.map(async (folder) => {
        try {
          await this.#list(folder, tree, takesHidden, waiting);
        } catch (error) {
          if (!(error instanceof RequestRefused) || folder === from) throw error;
          tree.left.set(folder, { shown: folder, why: sentenceOfProblem(error) });
        }
        onCount(tree.nodes.size);
      });
      const failed = (await Promise.allSettled(looks)).find((look) => look.status === "rejected");
      if (failed !== undefined) throw failed.reason;
    }
    return tree;
  }

  /** Makes a folder; it may be there. */
  async make(path: string): Promise<void> {
    try {
      await this.client.make(this.at(path));
    } catch (error) {
      if (!(error instanceof RequestRefused) || error.code !== "exists") throw error;
    }
  }

  /** Gives a thing another name; what is not there is done. */
  async move(path: string, to: string): Promise<void> {
    try {
      await this.client.move(this.at(path), this.at(to), false);
    } catch (error) {
      // Gone: also what a connection that broke has left undecided.
      if (!(error instanceof RequestRefused) || error.code !== "missing") throw error;
    }
  }

  /** SHA-256 of a file. */
  async digest(path: string): Promise<Bytes> {
    const { head } = await this.client.requests.ask("digest", { path: this.at(path) });
    return new MessageFields(head).fields("ok").bytes("sha256", 32);
  }

  async #list(folder: string, tree: Tree, takesHidden: boolean, waiting: string[]): Promise<void> {
    const { requests } = this.client;
    const extent = new Extent(MAX_ENTRIES, MAX_ENTRIES_BYTES);
    await requests.ask("list", { path: this.at(folder), hidden: true }, (part) => {
      const entries = new MessageFields(part.head).list("entries");
      extent.add(part, entries.length);
      for (const each of entries) take(tree, folder, MessageFields.of(each), takesHidden, waiting);
    });
  }
}

/** One entry as it came. A name that leads elsewhere is not followed but told. */
function take(tree: Tree, folder: string, fields: MessageFields, takesHidden: boolean, waiting: string[]): void {
  const name = fields.name("name");
  const why = whyNotHere(name);
  if (why !== null || typeof name !== "string") {
    const node = isName(name) ? nodeOf(readEntry(fields)) : NOTHING;
    const shown = below(folder, shownName(name));
    tree.leave(namelessPath(folder, tree), node, { shown, why: why ?? "sync_name_bytes" });
    return;
  }
  if (isOurs(folder, name)) return;
  const entry = readEntry(fields);
  const path = below(folder, name);
  if (tree.nodes.has(path)) throw new RemoteProtocolError("A name is there twice.");
  tree.take(path, nodeOf(entry));
  if (!takesHidden && (entry.isHidden || name.startsWith("."))) tree.hidden.add(path);
  else if (entry.kind === "folder") waiting.push(path);
}

/** What is compared of a thing on the computer. */
export function nodeOf({ kind, size, modified, mode }: Entry): Node {
  return { kind: kind === "file" || kind === "folder" ? kind : "other", size, modified: Math.round(modified), mode };
}
