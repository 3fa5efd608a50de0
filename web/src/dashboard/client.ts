/** The Dashboard's requests (docs/protocol.md §9). What the host says is untrusted: rows are read field by field. */
import { RemoteProtocolError } from "../protocol/errors";
import { MessageFields, type Message } from "../protocol/messages";
import { Extent, type Requests } from "../tools/requests";
import { isRow, type Row } from "./rows";

/** Rows of one list; more is nothing that a person looks at. */
export const MAX_ROWS = 20_000;
/** Of them, as they came. */
export const MAX_ROWS_BYTES = 32 << 20;
/** Of one row. */
const MAX_FIELDS = 32;
const MAX_KINDS = 64;
const MAX_CORES = 1024;
const MAX_TOP = 100;

/** What the computer does now: per cent, bytes, and bytes a second. */
export interface Load {
  readonly cpu: number;
  readonly cores: readonly number[];
  readonly memoryUsed: number;
  readonly memoryTotal: number;
  readonly swapUsed: number;
  readonly swapTotal: number;
  readonly diskRead: number;
  readonly diskWritten: number;
  readonly received: number;
  readonly sent: number;
  readonly top: readonly Row[];
}

/** Everything throws RequestRefused if the host could not do it, and StreamClosed if the stream was closed. */
export async function askSystem(requests: Requests): Promise<Row> {
  return okOf(await requests.ask("system"));
}

/** The rows of a list, for instance `processes`; more than `most` are no answer. */
export async function askRows(requests: Requests, list: string, fields: Row = {}, most = MAX_ROWS): Promise<Row[]> {
  const rows: Row[] = [];
  const extent = new Extent(most, MAX_ROWS_BYTES);
  await requests.ask(list, fields, (part) => void rows.push(...rowsOf(part, extent)));
  return rows;
}

/** What changed since the session's first connection. */
export interface ToldChanges {
  /** Seconds since 1970. */
  readonly since: number;
  /** By kind of thing. */
  readonly kinds: ReadonlyMap<string, readonly Row[]>;
  /** Changes that are counted only. */
  readonly untold: number;
}

export async function askChanges(requests: Requests): Promise<ToldChanges> {
  const kinds = new Map<string, Row[]>();
  const extent = new Extent(MAX_ROWS, MAX_ROWS_BYTES);
  const ok = await requests.ask("changes", {}, (part) => {
    const kind = new MessageFields(part.head).text("kind", 64);
    const rows = kinds.get(kind) ?? [];
    rows.push(...rowsOf(part, extent));
    kinds.set(kind, rows);
    if (kinds.size > MAX_KINDS) throw new RemoteProtocolError("Changes without end.");
  });
  const fields = new MessageFields(ok.head).fields("ok");
  const counts = fields.fields("counts");
  let untold = 0;
  for (const [kind, rows] of kinds) untold += Math.max(0, counts.number(kind, 0, 2 ** 32) - rows.length);
  return { since: fields.number("since", 0, 2 ** 40), kinds, untold };
}

/** The 24 hours, then the load each second, until the stream is closed. */
export async function watch(
  requests: Requests,
  told: {
    column: (name: string, values: readonly unknown[]) => void;
    begins: (beganAt: number, step: number) => void;
    load: (load: Load) => void;
  },
  pause: (milliseconds: number) => Promise<void> = sleep,
): Promise<never> {
  let hasBegun = false;
  await requests.ask("watch", {}, async ({ head }) => {
    const fields = new MessageFields(head);
    if (!hasBegun && fields.has("history")) {
      told.column(fields.text("history", 32), fields.list("values"));
    } else if (!hasBegun) {
      const begins = fields.fields("begins");
      hasBegun = true;
      told.begins(begins.number("began_at", 0, 2 ** 40), begins.number("step", 1, 3600));
    } else {
      told.load(readLoad(fields.fields("now")));
      await pause(LOAD_PAUSE_MS); // meanwhile nothing is taken from the computer, and it can send no more than it may
    }
  });
  throw new RemoteProtocolError("The load has no end.");
}

/** Entries of the event log as they come, until the stream is closed. */
export async function follow(requests: Requests, filters: Row, onRows: (rows: Row[]) => void): Promise<void> {
  let hasBegun = false;
  await requests.ask("follow", filters, (part) => {
    if (hasBegun) onRows(rowsOf(part, new Extent(MAX_ROWS, MAX_ROWS_BYTES)));
    else new MessageFields(part.head).fields("begins");
    hasBegun = true;
  });
}

/** A computer that tells its load each second is never kept waiting by it; one that floods the page is. */
const LOAD_PAUSE_MS = 250;

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function okOf(message: Message): Row {
  const ok = message.head["ok"];
  return isRow(ok) ? ok : {};
}

function rowsOf(part: Message, extent: Extent): Row[] {
  const rows = new MessageFields(part.head).list("rows");
  extent.add(part, rows.length);
  if (!rows.every(isFlatRow)) throw new RemoteProtocolError("A page of something else than rows.");
  return [...rows];
}

/** No lists and maps in it: a few bytes of those are many in memory. */
function isFlatRow(value: unknown): value is Row {
  if (!isRow(value)) return false;
  const values = Object.values(value);
  return values.length <= MAX_FIELDS && values.every((each) => typeof each !== "object" || each === null);
}

/** @throws RemoteProtocolError if it is no measurement. */
export function readLoad(now: MessageFields): Load {
  const [memory, swap, disk, network] = ["memory", "swap", "disk", "network"].map((name) => now.fields(name)) as [
    MessageFields,
    MessageFields,
    MessageFields,
    MessageFields,
  ];
  const cores = now.list("cores");
  const top = now.list("top");
  if (cores.length > MAX_CORES || top.length > MAX_TOP || !top.every(isRow)) {
    throw new RemoteProtocolError("A load has cores and processes.");
  }
  return {
    cpu: now.number("cpu", 0, 100),
    cores: cores.map((core) => (typeof core === "number" && core >= 0 && core <= 100 ? core : 0)),
    memoryUsed: memory.number("used"),
    memoryTotal: memory.number("total"),
    swapUsed: swap.number("used"),
    swapTotal: swap.number("total"),
    diskRead: disk.number("read"),
    diskWritten: disk.number("written"),
    received: network.number("received"),
    sent: network.number("sent"),
    top,
  };
}
