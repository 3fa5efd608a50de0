/** A client whose next file keeps what it replaces, in the same breath: there is no moment without either. */
import type { Bytes } from "../../protocol/bytes";
import { FilesClient, type NewFile, type Pieces } from "../client";
import type { Name } from "../paths";
import type { Requests } from "../../tools/requests";

/** Fields of a `write` or `put` (docs/protocol.md §8). */
export interface Keeping {
  /** A path that what is replaced gets before. */
  readonly keep?: Name;
  /** The permissions of what is replaced: a browser knows none of its own. */
  readonly mode?: number;
}

export class KeepingClient extends FilesClient {
  constructor(
    requests: Requests,
    private readonly keeping: Keeping,
  ) {
    super(requests);
  }

  override put(path: Name, file: NewFile, body: Bytes, sha256: Bytes): Promise<void> {
    return super.put(path, { ...file, ...this.keeping }, body, sha256);
  }

  override write(
    path: Name,
    file: NewFile,
    send: (left: { offset: number; prefix: Bytes }, pieces: Pieces) => Promise<Bytes | null>,
  ): Promise<void> {
    return super.write(path, { ...file, ...this.keeping }, send);
  }
}
