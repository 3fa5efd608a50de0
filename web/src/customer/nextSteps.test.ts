import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LANGUAGES, textIfAny, textIn, type Key } from "../i18n/text";
import { currentStep } from "./nextSteps";

test.each([
  ["", "windows", 0],
  ["host_downloaded", "windows", 0],
  ["host_downloaded", "linux", 1],
  ["host_downloaded", "python", 1],
  ["started", "windows", 1],
  ["asking_rights", "windows", 1],
  ["started", "linux", 2],
  ["waiting_code", "python", 2],
  ["wrong_code", "windows", 2],
  ["active", "linux", 3],
] as const)("after %j on %s the step to do is number %d", (step, target, expected) => {
  expect(currentStep(step, { target })).toBe(expected);
});

test("for each reason of a host there is a sentence for the customer, in each language", () => {
  const source = readFileSync(new URL("../../../relay/protocol/refusals.py", import.meta.url), "utf8");
  const codes = [...source.matchAll(/^ {4}[A-Z_]+ = "([a-z_]+)"$/gm)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(5);
  for (const code of codes) {
    expect(textIfAny(`customer_refused_${code}`), code).not.toBeNull();
    for (const language of LANGUAGES) expect(textIn(language, `customer_refused_${code}` as Key & "customer_refused")).not.toBe("");
  }
});
