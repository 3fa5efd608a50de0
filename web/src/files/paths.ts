/**
 * Names and paths of the customer's computer. A name is text, or bytes where it is no UTF-8: those can be shown only
 * roughly, but must go back to the computer as they came.
 */
import { concat, utf8, type Bytes } from "../protocol/bytes";
import type { Name } from "../protocol/messages";
import { clean } from "../text/clean";
import { toHex } from "../text/hex";

export type { Name };

const SLASH = 0x2f;

/** `name` in `folder`, which is absolute. */
export function joinPath(folder: Name, name: Name): Name {
  if (typeof folder === "string" && typeof name === "string") return `${folder.replace(/\/+$/, "")}/${name}`;
  const top = bytesOf(folder);
  return concat(top.at(-1) === SLASH ? top.subarray(0, -1) : top, new Uint8Array([SLASH]), bytesOf(name));
}

/** `names`, one in the other, in `folder`. */
export function joinAll(folder: Name, names: readonly Name[]): Name {
  return names.reduce(joinPath, folder);
}

/** The folder that holds `path`; null for the root. */
export function parentOf(path: Name): Name | null {
  const { folder, name } = split(path);
  return name.length === 0 ? null : folder;
}

/** The last name of a path; empty for the root. */
export function nameOf(path: Name): Name {
  return split(path).name;
}

/** Each folder on the way to `path`, the path itself last, with what to show for it. */
export function stepsTo(path: Name): { path: Name; name: string }[] {
  const steps = [];
  for (let at: Name | null = path; at !== null; at = parentOf(at)) steps.unshift({ path: at, name: shownName(nameOf(at)) || "/" });
  return steps;
}

/** A name as it can be shown: one harmless line. */
export function shownName(name: Name): string {
  return clean(typeof name === "string" ? name : new TextDecoder().decode(name), 255);
}

/** A path as it can be shown. */
export function shownPath(path: Name): string {
  return clean(typeof path === "string" ? path : new TextDecoder().decode(path), 1000);
}

/** The same for the same name only. */
export function keyOf(name: Name): string {
  return typeof name === "string" ? name : `\0${toHex(name)}`;
}

/** Whether `path` is `folder` or below it. */
export function isWithin(path: Name, folder: Name): boolean {
  for (let at: Name | null = path; at !== null; at = parentOf(at)) if (keyOf(at) === keyOf(folder)) return true;
  return false;
}

function split(path: Name): { folder: Name; name: Name } {
  if (typeof path === "string") {
    const bare = path.replace(/\/+$/, "");
    const at = bare.lastIndexOf("/");
    return { folder: bare.slice(0, at) || "/", name: bare.slice(at + 1) };
  }
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH) end -= 1;
  const at = path.subarray(0, end).lastIndexOf(SLASH);
  return { folder: at > 0 ? path.slice(0, at) : "/", name: path.slice(at + 1, end) };
}

function bytesOf(name: Name): Bytes {
  return typeof name === "string" ? utf8(name) : name;
}
