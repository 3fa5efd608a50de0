/** What a job was asked to do: as much as another tab needs to do the rest. Plain values and handles, no functions. */
import { entriesBelow, type Source } from "./localFiles";
import type { Name } from "./paths";
import { directionOfMode, type Before } from "./sync/dryRun";
import type { Workshop } from "./transfers";
import { fetching, sending, type Wanted } from "./works";
import type { Work } from "./jobs";

export interface FetchOrder {
  readonly kind: "fetch";
  readonly wanted: readonly Wanted[];
  /** Where they go; null hands each file to the browser's downloads. */
  readonly folder: FileSystemDirectoryHandle | null;
}

export interface SendOrder {
  readonly kind: "send";
  /** A folder of the computer. */
  readonly to: Name;
  /** What of an opened folder; null for files that were chosen or dropped, which no other tab can open. */
  readonly from: { readonly folder: FileSystemDirectoryHandle; readonly names: readonly string[] } | null;
}

/** Synchronising or replicating. What is to be done is found out by looking again, and shown before it is. */
export interface SyncOrder extends Before {
  readonly kind: "sync";
  readonly folder: FileSystemDirectoryHandle;
  /** The folder on the computer. */
  readonly top: Name;
}

export type CopyOrder = FetchOrder | SendOrder;
export type Order = CopyOrder | SyncOrder;

/** Which way things go. */
export function directionOf(order: Order): Work["direction"] {
  if (order.kind !== "sync") return order.kind === "fetch" ? "down" : "up";
  return directionOfMode(order.mode);
}

interface Common {
  readonly session: string;
  readonly workshop: Workshop;
  readonly title: string;
  readonly overwrite: boolean;
  readonly since?: number;
}

/** @param chosen the files of a `SendOrder` without a folder. */
export function workOf(order: CopyOrder, common: Common, chosen: () => Iterable<Source> = () => []): Work {
  if (order.kind === "fetch") return fetching(common, order.wanted, order.folder);
  const { from } = order;
  const sources = from === null ? chosen : () => entriesBelow(from.folder, from.names);
  return sending(common, sources, order.to);
}

interface Permitting {
  requestPermission(options: { mode: "read" | "readwrite" }): Promise<PermissionState>;
}

/** Asks the person, in another tab than the one where the folder was opened, whether the page may use it. */
export async function isAllowed(order: Order): Promise<boolean> {
  const folder = order.kind === "send" ? (order.from?.folder ?? null) : order.folder;
  if (folder === null) return true;
  const mode = order.kind === "send" ? "read" : "readwrite";
  try {
    return (await (folder as unknown as Permitting).requestPermission({ mode })) === "granted";
  } catch {
    return false; // the folder is gone
  }
}
