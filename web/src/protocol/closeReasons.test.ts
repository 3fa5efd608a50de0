import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CloseReason } from "./closeReasons";

it("the close reasons are those of the relay", () => {
  const source = readFileSync(new URL("../../../relay/protocol/close_reasons.py", import.meta.url), "utf8");
  const rows = source.matchAll(/^ {4}([A-Z_]+) = \("(\w+)", (\d+), "([^"]*)", (True|False)\)$/gm);
  const theirs = Array.from(rows, ([, name, wire, code, sentence, mayReturn]) => [
    name,
    { wire, wsCode: Number(code), sentence, mayReturn: mayReturn === "True" },
  ]);
  const ours = Object.entries(CloseReason).filter(([, value]) => value instanceof CloseReason);
  expect(theirs.length).toBeGreaterThan(30);
  expect(ours.map(([name, reason]) => [name, { ...reason }])).toEqual(theirs);
});

it("unknown names and codes have a meaning", () => {
  expect(CloseReason.fromWire("plan")).toBe(CloseReason.PLAN);
  expect(CloseReason.fromWire("constructor")).toBe(CloseReason.INTERNAL);
  expect(CloseReason.fromWsCode(4034)).toBe(CloseReason.PLAN);
  expect(CloseReason.fromWsCode(1006)).toBe(CloseReason.DEAD);
});

it("only a session's endings end the session", () => {
  expect(CloseReason.EXPIRED.endsSession).toBe(true);
  expect(CloseReason.DONE.endsSession).toBe(false);
});
