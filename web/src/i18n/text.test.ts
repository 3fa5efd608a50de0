import { afterEach, expect, test } from "vitest";
import { en } from "./en";
import { account } from "./en.account";
import { audit } from "./en.audit";
import { dashboard } from "./en.dashboard";
import { files } from "./en.files";
import { settings } from "./en.settings";
import { support } from "./en.support";
import { sync } from "./en.sync";
import { tools } from "./en.tools";
import { es } from "./es";
import { counted, isLanguage, language, preferredLanguage, t, textIfAny, textIn, type Key } from "./text";

afterEach(() => {
  language.value = "en";
});

test("every text exists in both languages with the same names to fill in", () => {
  const names = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
  const keys = Object.keys(en) as Key[];
  expect(Object.keys(es).sort()).toEqual([...keys].sort());
  for (const key of keys) expect([key, names(es[key])]).toEqual([key, names(en[key])]);
});

test("no block of texts takes a key of another", () => {
  for (const block of [account, dashboard, files, settings, audit, support, sync, tools] as const) expect(en).toMatchObject(block);
});

test("texts follow the language", () => {
  expect(t("mail_sent", { email: "ana@example.com" })).toContain("ana@example.com");
  language.value = "es";
  expect(t("state_active")).toBe("Activa");
  expect(textIn("en", "state_active")).toBe("Active");
});

test("a value that looks like a placeholder stays what it is", () => {
  expect(t("customer_who", { technician: "{company}", company: "Help Ltd" })).toMatch(/^\{company\} of Help Ltd/);
});

test("singular and plural follow the number", () => {
  expect(counted("tries_left", 1)).toBe("1 try left");
  expect(counted("tries_left", 0)).toBe("0 tries left");
  language.value = "es";
  expect(counted("tries_left", 1)).toBe("Queda 1 intento");
});

test("the browser's first known language wins, and English else", () => {
  expect(preferredLanguage(["fr-FR", "es-MX", "en"])).toBe("es");
  expect(preferredLanguage(["de"])).toBe("en");
});

test("keys put together at run time are looked up, not guessed", () => {
  expect(textIfAny("reason_expired")).toBe(en.reason_expired);
  expect(textIfAny("reason_toString")).toBeNull();
  expect(textIfAny("toString")).toBeNull();
  expect([isLanguage("es"), isLanguage("xx"), isLanguage(null)]).toEqual([true, false, false]);
});
