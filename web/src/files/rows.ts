/** What a pane lists, from either side, and how it is sorted. Pure. */

export interface FileRow {
  /** The same for the same name only. */
  readonly key: string;
  /** Harmless to show. */
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** Bytes; null for folders, and until it is known. */
  readonly size: number | null;
  /** Milliseconds since 1970. */
  readonly modified: number | null;
  /** Of a link: where it leads; of what a search found: where it is. */
  readonly note: string;
  /** Whose it is, and who may do what with it; empty where nobody knows. */
  readonly owner: string;
}

export type SortColumn = "name" | "size" | "modified";

export interface Sorting {
  readonly column: SortColumn;
  readonly isDescending: boolean;
}

/** Rows drawn at once: more are reached by the filter. */
export const MAX_SHOWN = 1000;

/** Folders first; names by the language's own order, with numbers as numbers. */
export function sorted(rows: readonly FileRow[], { column, isDescending }: Sorting, locale: string): FileRow[] {
  const names = new Intl.Collator(locale, { numeric: true, sensitivity: "base" });
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const folders = Number(b.kind === "folder") - Number(a.kind === "folder");
    if (folders !== 0) return folders;
    const by = column === "name" ? 0 : (a[column] ?? -1) - (b[column] ?? -1);
    return by !== 0 ? by * sign : names.compare(a.name, b.name) * (column === "name" ? sign : 1);
  });
}

/** Rows whose name has `words` in it. */
export function filtered(rows: readonly FileRow[], words: string): readonly FileRow[] {
  const wanted = words.trim().toLocaleLowerCase();
  return wanted === "" ? rows : rows.filter(({ name }) => name.toLocaleLowerCase().includes(wanted));
}

/** What is chosen after a press on `key`: alone, one more or less with `isToggle`, all since the last with `isRange`. */
export function choose(
  rows: readonly FileRow[],
  chosen: ReadonlySet<string>,
  anchor: string | null,
  key: string,
  { isToggle, isRange }: { isToggle: boolean; isRange: boolean },
): ReadonlySet<string> {
  if (isRange && anchor !== null) {
    const [from, to] = [anchor, key].map((each) => rows.findIndex((row) => row.key === each)).sort((a, b) => a - b);
    if (from !== undefined && to !== undefined && from >= 0) return new Set(rows.slice(from, to + 1).map((row) => row.key));
  }
  if (!isToggle) return new Set([key]);
  const next = new Set(chosen);
  if (!next.delete(key)) next.add(key);
  return next;
}
