import { afterEach, expect, test } from "vitest";
import { language } from "../i18n/text";
import { actorName, detailsOf, sentenceOfRow } from "./sentences";

afterEach(() => {
  language.value = "en";
});

const row = { actor: "technician:x", actor_name: "Tess", action: "signed_in", fields: { way: "passkey" } };

test("a row is a sentence in both languages", () => {
  expect(sentenceOfRow(row)).toBe("Tess signed in.");
  expect(detailsOf(row.fields)).toEqual([["way", "passkey"]]);
  language.value = "es";
  expect(sentenceOfRow(row)).toBe("Tess inició sesión.");
  expect(detailsOf(row.fields)).toEqual([["forma", "llave de acceso"]]);
});

test("actions and fields that are newer than the page are shown as they are", () => {
  const newer = { ...row, action: "moon_phase", fields: { moon_side: "dark", toString: "x" } };
  expect(sentenceOfRow(newer)).toBe("Tess: moon_phase");
  expect(detailsOf(newer.fields)).toEqual([
    ["moon side", "dark"],
    ["toString", "x"],
  ]);
});

test("actors that are not people have words of their own", () => {
  expect([actorName("clock", null), actorName("technician:gone", null)]).toEqual(["The clock", "Somebody who is gone"]);
});

test("what strangers wrote is harmless, numbers are read out, forgotten details are none", () => {
  const fields = { computer: "a\u202eb", seconds: 5400, kinds: ["control", "files"], estimated: true, nested: {} };
  expect(detailsOf(fields)).toEqual([
    ["computer", "ab"],
    ["for", "1.5 hours"],
    ["tools", "Remote Control, File Manager"],
    ["estimated", "yes"],
  ]);
  expect(detailsOf(null)).toEqual([]);
});

test("people are named, not numbered", () => {
  expect(detailsOf({ technician: "id-1", role: "owner" }, new Map([["id-1", "Tess"]]))).toEqual([
    ["technician", "Tess"],
    ["role", "Owner"],
  ]);
});

test("a placeholder in a name stays what it is", () => {
  expect(sentenceOfRow({ ...row, actor_name: "{actor}" })).toBe("{actor} signed in.");
});
