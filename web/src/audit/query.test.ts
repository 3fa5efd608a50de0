import { expect, test } from "vitest";
import { NO_FILTER, exportPath, queryOf } from "../api/audit";

test("days become the moments at which they begin and end", () => {
  const query = new URLSearchParams(queryOf({ ...NO_FILTER, from: "2026-03-01", to: "2026-03-01" }, null));
  const [from, to] = [query.get("from"), query.get("to")];
  expect(from).toBe(new Date(2026, 2, 1).toISOString());
  expect(to).toBe(new Date(2026, 2, 2).toISOString());
});

test("only what was chosen is asked for", () => {
  expect(queryOf(NO_FILTER, null)).toBe("");
  expect(queryOf({ ...NO_FILTER, action: "signed_in", session: " ab c " }, "next")).toBe(
    "action=signed_in&session=ab+c&cursor=next",
  );
  expect(queryOf({ ...NO_FILTER, from: "soon" }, null)).toBe("");
});

test("an export is of the period, whatever else is filtered", () => {
  expect(exportPath("csv", { ...NO_FILTER, actor: "clock" })).toBe("/api/v1/audit/export?format=csv");
  expect(exportPath("jsonl", { ...NO_FILTER, from: "2026-03-01" })).toMatch(/format=jsonl&from=2026-0[23]-\d\dT/);
});
