import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Entry, Facts, FilesClient } from "./client";
import type { Target } from "./localFiles";
import { download, type Workshop } from "./transfers";

vi.mock("./fileWorker.ts?worker&url", () => ({ default: "/assets/fileWorker.js" }));

const ENTRY: Entry = { name: "a", kind: "file", size: 1 << 20, modified: 0, mode: 0o644, owner: "", isHidden: false, target: null, below: null };

describe("a file from the computer", () => {
  beforeEach(() => vi.stubGlobal("navigator", { storage: { estimate: () => Promise.resolve({ quota: 10 << 20, usage: 0 }) } }));

  test.each([
    ["is said to be larger than there is space", { ...ENTRY, size: 11 << 20 }, { size: 11 << 20 }, "QuotaExceededError"],
    ["turns out to be larger than there is space", ENTRY, { size: 2 ** 53 - 1 }, "QuotaExceededError"],
    ["has grown a little", ENTRY, { size: (1 << 20) + 5 }, "goes on"],
  ])("that %s", async (_, entry, facts, outcome) => {
    const part = { size: 0, append: () => Promise.reject(new Error("nothing is written")), restart: () => Promise.resolve(), close: () => Promise.resolve() };
    const workshop = { openPart: () => Promise.resolve(part) } as unknown as Workshop;
    const read = async (__: unknown, ___: unknown, onBegin: (begins: Facts, offset: number) => Promise<void>): Promise<never> => {
      await onBegin({ modified: 0, mode: 0, ...facts }, 0);
      throw new Error("goes on");
    };
    const going = download({ read } as unknown as FilesClient, workshop, "s", "/a", entry, {} as Target, () => undefined);
    const error = (await going.catch((reason: unknown) => reason)) as Error;
    expect([error.name, error.message]).toContain(outcome);
  });
});
