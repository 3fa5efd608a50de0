import { expect, test } from "vitest";
import { type AuditPage, type AuditRow, NO_FILTER } from "../api/audit";
import { AuditPages } from "./pages";

const row = (id: number): AuditRow => ({
  id,
  at: "2026-03-01T12:00:00.000Z",
  actor: "clock",
  actor_name: null,
  action: "expired",
  session_id: null,
  fields: {},
  hash: "",
});

test("pages are added until there are no more", async () => {
  const answers: AuditPage[] = [
    { rows: [row(3), row(2)], next: "two" },
    { rows: [row(1)], next: null },
  ];
  const cursors: (string | null)[] = [];
  const pages = new AuditPages(async (_, cursor) => {
    cursors.push(cursor);
    return answers.shift() ?? { rows: [], next: null };
  });
  await pages.start(NO_FILTER);
  await pages.more();
  await pages.more();
  expect(pages.rows.value.map(({ id }) => id)).toEqual([3, 2, 1]);
  expect(cursors).toEqual([null, "two"]);
});

test("a late answer to an older filter is left out", async () => {
  const gates: ((page: AuditPage) => void)[] = [];
  const pages = new AuditPages(() => new Promise((resolve) => gates.push(resolve)));
  const first = pages.start(NO_FILTER);
  const second = pages.start({ ...NO_FILTER, action: "signed_in" });
  gates[1]?.({ rows: [row(7)], next: null });
  await second;
  gates[0]?.({ rows: [row(1)], next: "old" });
  await first;
  expect(pages.rows.value.map(({ id }) => id)).toEqual([7]);
  expect([pages.next.value, pages.isLoading.value]).toEqual([null, false]);
});

test("a failure keeps what was loaded", async () => {
  let calls = 0;
  const pages = new AuditPages(async () => {
    calls += 1;
    if (calls > 1) throw new Error("no");
    return { rows: [row(2)], next: "older" };
  });
  await pages.start(NO_FILTER);
  await pages.more();
  expect(pages.rows.value).toHaveLength(1);
  expect(pages.fault.value).toContain("no");
});
