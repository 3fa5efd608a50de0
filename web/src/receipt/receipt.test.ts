import { afterEach, expect, test } from "vitest";
import { language } from "../i18n/text";
import { actsSentence } from "./receipt";

afterEach(() => {
  language.value = "en";
});

test("what was done is said with its numbers", () => {
  const acts = [
    { act: "file_written", count: 3 },
    { act: "process_ended", count: 1 },
  ];
  expect(actsSentence(acts)).toBe("3 files written, 1 process ended");
  language.value = "es";
  expect(actsSentence(acts)).toBe("3 archivos escritos, 1 proceso terminado");
});

test("a word that nobody knows is some other change, whatever it says", () => {
  expect(actsSentence([{ act: "<b>new</b>", count: 2 }])).toBe("2 other changes");
  expect(actsSentence([{ act: "constructor", count: 1 }])).toBe("1 other change");
});
