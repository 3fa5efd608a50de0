import { expect, test } from "vitest";
import type { HostFile, Target } from "../api/types";
import { choosePrograms, isOldWindows, systemOf, systemsWith } from "./programs";

const WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
const LINUX = "Mozilla/5.0 (X11; Linux x86_64)";

const file = (target: Target, machine = "x86_64") => ({ target, machine }) as HostFile;
const ALL = [file("windows"), file("linux"), file("python")];

test.each([
  [WINDOWS, "windows"],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", "mac"],
  [LINUX, "linux"],
  ["Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)", "other"],
  ["", "other"],
])("%s is %s", (userAgent, system) => {
  expect(systemOf(userAgent)).toBe(system);
});

test.each([
  [WINDOWS, false],
  ["Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0", true],
  ["Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0) like Gecko", true],
  [LINUX, false],
])("%s is a Windows that is too old: %s", (userAgent, expected) => {
  expect(isOldWindows(userAgent)).toBe(expected);
});

test.each([
  [WINDOWS, "windows", ["linux", "python"]],
  [LINUX, "linux", ["windows", "python"]],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", undefined, ["windows", "linux", "python"]],
  ["Mozilla/5.0 (X11; Linux aarch64)", undefined, ["windows", "linux", "python"]],
  ["Mozilla/5.0 (X11; Linux i686 on x86_64)", "linux", ["windows", "python"]],
  ["Mozilla/5.0 (X11; Linux i686)", undefined, ["windows", "linux", "python"]],
])("on %s the button is for %s", (userAgent, main, others) => {
  const programs = choosePrograms(ALL, userAgent);
  expect([programs.main?.target, programs.others.map(({ target }) => target)]).toEqual([main, others]);
});

test("without a Linux executable there is the one for Python, and for ARM only what is for ARM", () => {
  expect(choosePrograms([file("python")], LINUX).main?.target).toBe("python");
  const arm = choosePrograms([file("linux"), file("python", "aarch64")], "Mozilla/5.0 (X11; Linux aarch64)");
  expect(arm.main?.target).toBe("python");
});

test.each([
  ["2.28", "Debian 10, Ubuntu 20.04, Red Hat 8"],
  ["2.36", "Debian 12, Ubuntu 24.04, Red Hat 10"],
  ["2.41", "Debian 13"],
  ["2.99", ""],
  ["3.1", ""],
  [null, ""],
])("with glibc %s: %s", (glibc, expected) => {
  expect(systemsWith(glibc)).toBe(expected);
});
