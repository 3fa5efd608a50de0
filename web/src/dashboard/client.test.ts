import { describe, expect, test } from "vitest";
import { RemoteProtocolError } from "../protocol/errors";
import type { Message } from "../protocol/messages";
import type { OnPart, Requests } from "../tools/requests";
import { MAX_ROWS, MAX_ROWS_BYTES, askChanges, askRows, watch, type Load } from "./client";
import type { Row } from "./rows";

const message = (head: Record<string, unknown>, headBytes = 100): Message => ({ head, headBytes, body: new Uint8Array(0) });

/** A computer that answers anything with these parts, then with `ok`. */
function computer(parts: Iterable<Message>, ok: Row = {}): Requests {
  const ask = async (_op: string, _fields: Row, onPart: OnPart): Promise<Message> => {
    for (const part of parts) await onPart(part);
    return message({ ok });
  };
  return { ask } as unknown as Requests;
}

function* endless(part: Message): Generator<Message> {
  for (;;) yield part;
}

const page = (...rows: unknown[]): Message => message({ rows });

describe("a list of the computer", () => {
  test("is taken page by page, up to its end", async () => {
    expect(await askRows(computer([page({ a: 1 }), page({ a: null }, { a: "x" })]), "ports")).toEqual([{ a: 1 }, { a: null }, { a: "x" }]);
    const many = Array<Row>(200).fill({ a: 1 });
    expect(await askRows(computer(Array<Message>(MAX_ROWS / 200).fill(page(...many))), "software")).toHaveLength(MAX_ROWS);
  });

  test.each<[string, Iterable<Message>]>([
    ["has no end", endless(page(...Array<Row>(200).fill({ a: 1 })))],
    ["has few rows, and memory without end", endless(message({ rows: [{ a: "x" }] }, MAX_ROWS_BYTES / 10))],
    ["has empty pages without end", endless(page())],
    ["has rows that are none", [page("row")]],
    ["has lists in its rows", [page({ a: [] })]],
    ["has maps in its rows", [page({ a: { b: 1 } })]],
    ["has bytes in its rows", [page({ a: new Uint8Array(1) })]],
    ["has rows without end to the right", [page(Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`field ${index}`, 1])))]],
    ["is none", [message({ rows: {} })]],
  ])("that %s breaks the protocol", async (_, parts) => {
    await expect(askRows(computer(parts), "processes")).rejects.toBeInstanceOf(RemoteProtocolError);
  });

  test("with more than was asked for breaks the protocol", async () => {
    await expect(askRows(computer([page({ a: 1 }, { a: 2 })]), "events", {}, 1)).rejects.toBeInstanceOf(RemoteProtocolError);
  });

  test.each<[string, Iterable<Message>]>([
    ["changes without end", endless(message({ kind: "software", rows: [{ name: "x" }] }))],
    ["kinds of things without end", Array.from({ length: 66 }, (_, index) => message({ kind: `kind ${index}`, rows: [{ name: "x" }] }))],
    ["a kind that is no word", [message({ kind: "x".repeat(65), rows: [{ name: "x" }] })]],
  ])("%s break the protocol", async (_, parts) => {
    await expect(askChanges(computer(parts, { since: 0, counts: {} }))).rejects.toBeInstanceOf(RemoteProtocolError);
  });

  test("changes are gathered by their kind", async () => {
    const parts = Array.from({ length: 4 }, (_, index) => message({ kind: index % 2 ? "ports" : "software", rows: [{ name: `${index}` }] }));
    const { kinds, untold } = await askChanges(computer(parts, { since: 7, counts: { ports: 5, software: 2 } }));
    expect([...kinds].map(([kind, rows]) => [kind, rows.map(({ name }) => name)])).toEqual([
      ["software", ["0", "2"]],
      ["ports", ["1", "3"]],
    ]);
    expect(untold).toBe(3);
  });
});

describe("the load", () => {
  const now = {
    cpu: 5,
    cores: [],
    memory: { used: 1, total: 2 },
    swap: { used: 0, total: 0 },
    disk: { read: 1, written: 2 },
    network: { received: 3, sent: 4 },
    top: [],
  };

  test("is taken no faster than a person can look, however fast the computer tells it", async () => {
    const loads: Load[] = [];
    let pauses = 0;
    const told = { column: () => undefined, begins: () => undefined, load: (load: Load) => void loads.push(load) };
    const flood = computer([message({ begins: { began_at: 1, step: 10 } }), ...Array<Message>(5).fill(message({ now }))]);
    const pause = (): Promise<void> => {
      pauses += 1;
      expect(loads).toHaveLength(pauses);
      return Promise.resolve();
    };
    await expect(watch(flood, told, pause)).rejects.toBeInstanceOf(RemoteProtocolError); // the load has no end
    expect([loads.length, pauses]).toEqual([5, 5]);
  });
});
