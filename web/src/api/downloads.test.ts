import { expect, test } from "vitest";
import { systemsWithout } from "./downloads";
import type { DownloadState, HostFile, Target } from "./types";

const state = (target: Target, isThere: boolean): DownloadState => ({
  target,
  file: "",
  host: isThere ? ({ target } as HostFile) : null,
  fault: isThere ? null : "missing",
});

test.each([
  [[true, true, true], []],
  [[true, false, true], []],
  [[false, true, false], ["windows"]],
  [[true, false, false], ["linux"]],
  [[false, false, false], ["windows", "linux"]],
])("with the programs for Windows, Linux and Python there as in %j, %j are without", ([windows, linux, python], without) => {
  const states = [state("windows", windows ?? false), state("linux", linux ?? false), state("python", python ?? false)];
  expect(systemsWithout(states)).toEqual(without);
});
