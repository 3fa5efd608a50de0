/** A plan as people read it: grouped by what would happen, with what it comes to. Pure. */
import type { PlainKey } from "../../i18n/text";
import { byCodePoints } from "./order";
import type { Action, Side, Why } from "./plan";

export type GroupName =
  | "sync_conflict"
  | "sync_delete_remote"
  | "sync_delete_local"
  | "sync_over_remote"
  | "sync_over_local"
  | "sync_copy_remote"
  | "sync_copy_local";

export interface Group {
  readonly name: GroupName;
  readonly actions: readonly Action[];
  /** Of `actions`, or more where a folder goes with all that is in it. */
  readonly files: number;
  readonly folders: number;
  readonly bytes: number;
}

/** What costs something comes first. */
const ORDER: readonly GroupName[] = [
  "sync_conflict",
  "sync_delete_remote",
  "sync_delete_local",
  "sync_over_remote",
  "sync_over_local",
  "sync_copy_remote",
  "sync_copy_local",
];

export const WHYS: Readonly<Record<Why, PlainKey>> = {
  deleted_here: "sync_conflict_deleted_here",
  deleted_there: "sync_conflict_deleted_there",
  kinds: "sync_conflict_kinds",
  differs: "sync_conflict_differs",
};

const NAMES: Readonly<Record<"delete" | "over" | "copy", Readonly<Record<Side, GroupName>>>> = {
  delete: { local: "sync_delete_local", remote: "sync_delete_remote" },
  over: { local: "sync_over_local", remote: "sync_over_remote" },
  copy: { local: "sync_copy_local", remote: "sync_copy_remote" },
};

function nameOf({ deed, side, replaces }: Action): GroupName {
  if (deed === "conflict") return "sync_conflict";
  return NAMES[deed === "delete" ? "delete" : replaces ? "over" : "copy"][side];
}

/** The groups that there are, in their order. */
export function grouped(actions: readonly Action[]): Group[] {
  const found = new Map<GroupName, Action[]>();
  for (const action of actions) {
    const group = found.get(nameOf(action));
    if (group === undefined) found.set(nameOf(action), [action]);
    else group.push(action);
  }
  const inOrder = (name: GroupName): Action[] => (found.get(name) ?? []).sort((a, b) => byCodePoints(a.path, b.path));
  return ORDER.filter((name) => found.has(name)).map((name) => summed(name, inOrder(name)));
}

function summed(name: GroupName, actions: readonly Action[]): Group {
  let [files, folders, bytes] = [0, 0, 0];
  for (const action of actions) {
    if (action.deed === "folder") folders += 1;
    else if (action.deed === "delete") files += action.files;
    else files += 1;
    bytes += action.size;
  }
  return { name, actions, files, folders, bytes };
}

/** Whether a path has these words in it. */
export function matches(path: string, words: string): boolean {
  const wanted = words.trim().toLocaleLowerCase();
  return wanted === "" || path.toLocaleLowerCase().includes(wanted);
}
