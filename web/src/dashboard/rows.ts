/** Rows of the host, read field by field: what is not there, or of another kind, is empty. Pure. */
import { clean } from "../text/clean";

/** A map of the host's making; untrusted. */
export type Row = Readonly<Record<string, unknown>>;

/** A text as it can be shown, one harmless line. */
export function words(row: Row, key: string, maxCharacters = 300): string {
  return clean(valueOf(row, key), maxCharacters);
}

/** A finite number, or null. */
export function figure(row: Row, key: string): number | null {
  const value = valueOf(row, key);
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function isTrue(row: Row, key: string): boolean {
  return valueOf(row, key) === true;
}

/** A map inside a map; an empty one where there is none. */
export function rowIn(row: Row, key: string): Row {
  const value = valueOf(row, key);
  return isRow(value) ? value : {};
}

/** The maps of a list, at most `max`. */
export function rowsIn(row: Row, key: string, max = 256): Row[] {
  const value = valueOf(row, key);
  return Array.isArray(value) ? (value as unknown[]).slice(0, max).filter(isRow) : [];
}

/** The texts of a list, at most `max`. */
export function wordsIn(row: Row, key: string, max = 32): string[] {
  const value = valueOf(row, key);
  return Array.isArray(value) ? (value as unknown[]).slice(0, max).map((each) => clean(each, 200)).filter(Boolean) : [];
}

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function valueOf(row: Row, key: string): unknown {
  return Object.hasOwn(row, key) ? row[key] : undefined;
}

/** A process and how deep it is below the first of its family. */
export interface Branch {
  readonly row: Row;
  readonly depth: number;
}

/** Processes as a tree: children behind their parent, in the order given; a circle, which no honest host tells, is cut. */
export function treeOf(rows: readonly Row[]): Branch[] {
  const known = new Set(rows.map((row) => figure(row, "pid")));
  const children = new Map<number | null, Row[]>();
  for (const row of rows) {
    const parent = figure(row, "parent");
    const above = parent !== null && known.has(parent) && parent !== figure(row, "pid") ? parent : null;
    const siblings = children.get(above);
    if (siblings === undefined) children.set(above, [row]);
    else siblings.push(row);
  }
  const found: Branch[] = [];
  const seen = new Set<Row>();
  const waiting: Branch[] = (children.get(null) ?? []).map((row) => ({ row, depth: 0 })).reverse();
  const walk = (): void => {
    for (let branch = waiting.pop(); branch !== undefined; branch = waiting.pop()) {
      if (seen.has(branch.row)) continue;
      seen.add(branch.row);
      found.push(branch);
      const below = children.get(figure(branch.row, "pid")) ?? [];
      const { depth } = branch;
      for (const row of below.toReversed()) waiting.push({ row, depth: depth + 1 });
    }
  };
  walk();
  for (const row of rows) {
    if (seen.has(row)) continue;
    waiting.push({ row, depth: 0 });
    walk();
  }
  return found;
}

/** One value in a CSV file (RFC 4180); what a spreadsheet would take for a formula is made a text. */
export function csvValue(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A CSV file with a head. */
export function csvOf(head: readonly string[], lines: readonly (readonly (string | number | null)[])[]): string {
  return [head, ...lines].map((line) => line.map(csvValue).join(",")).join("\r\n") + "\r\n";
}
