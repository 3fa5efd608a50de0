import { beforeEach, describe, expect, test, vi } from "vitest";
import { RequestRefused } from "../../tools/requests";
import type { SealedChannel } from "../../tunnel/sealedChannel";
import { DryRun } from "./dryRun";
import { grouped, matches } from "./groups";
import { MemoryFolder } from "./testing/memoryFolder";
import { MemoryHost } from "./testing/memoryHost";
import { workshop } from "./testing/workshop";

vi.mock("../fileWorker.ts?worker&url", () => ({ default: "/assets/fileWorker.js" }));
vi.mock("../../tools/requests", async (original) => ({
  ...(await original<object>()),
  // A "stream" is the memory host's requests themselves.
  Requests: class {
    constructor(channel: object) {
      return channel;
    }
  },
}));

let folder: MemoryFolder;
let host: MemoryHost;

beforeEach(() => {
  folder = new MemoryFolder().put("differs", "here", 1).put("kinds/in", "x", 1).put("link", "x", 1).put("mine", "12345", 1);
  host = new MemoryHost().put("differs", "there", 2).put("kinds", "x", 1).link("link").put("theirs/a", "123", 1);
});

const dryRun = (isMirror = false) => new DryRun({ session: "s", folder: folder.handle, top: "/top", workshop }, isMirror);
const open = () => Promise.resolve(host.client().requests as unknown as SealedChannel);

async function looked(isMirror = false): Promise<DryRun> {
  const run = dryRun(isMirror);
  await run.look(open);
  expect(run.phase.value.kind).toBe("plan");
  return run;
}

const told = (run: DryRun) => run.chosen.value.map(({ deed, side, path }) => `${deed} ${side} ${path}`);

describe("a dry run", () => {
  test("changes nothing, and says what would be done", async () => {
    const before = [folder.files(), host.files()];
    const run = await looked();
    expect(told(run)).toEqual(["folder local theirs", "copy remote mine", "copy local theirs/a"]);
    expect(run.planned.value.filter(({ deed }) => deed === "conflict").map(({ path, why }) => [path, why])).toEqual([
      ["differs", "differs"],
      ["kinds", "kinds"],
      ["link", "kinds"],
    ]);
    expect([folder.files(), host.files()]).toEqual(before);
  });

  test("offers for a conflict what makes sense, and plans anew with each choice", async () => {
    const run = await looked();
    const choices = run.planned.value.filter(({ deed }) => deed === "conflict").map((action) => run.choicesFor(action).length);
    expect(choices).toEqual([4, 3, 1]);
    run.choose("differs", "both");
    run.choose("kinds", "local");
    expect([run.both.value, told(run).slice(0, 3)]).toEqual([["differs"], ["folder remote kinds", "folder local theirs", "copy remote kinds/in"]]);
    run.chooseForAll("remote");
    expect([run.both.value, told(run).slice(1, 3)]).toEqual([[], ["copy local differs", "copy local kinds"]]);
    run.chooseForAll("both");
    expect([...run.choices.value]).toEqual([["differs", "both"]]);
    expect(run.work().work).toMatchObject({ direction: "both", title: "Synchronise top and mine", overwrite: true });
  });

  test("that another tab has left offers what was chosen again, where that still makes sense", async () => {
    const first = await looked();
    first.choose("differs", "both");
    first.choose("kinds", "local");
    first.wishes.value = { takesHidden: false, byContent: false };
    const { wanted } = first;
    host.things.delete("/top/differs");
    host.put("differs/in", "now a folder", 3);
    const again = new DryRun({ session: "s", folder: folder.handle, top: "/top", workshop }, false, { ...wanted, choices: [...wanted.choices, ["gone", "local"]] });
    expect([again.wishes.value, again.mode.value]).toEqual([first.wishes.value, "both"]);
    await again.look(open);
    expect([...again.choices.value]).toEqual([["kinds", "local"]]);
    expect([again.both.value, told(again)[0]]).toEqual([[], "folder remote kinds"]);
  });

  test("of a replica has no conflicts, and its direction can be turned", async () => {
    const run = await looked(true);
    expect(told(run)).toEqual(["delete local mine", "folder local theirs", "copy local differs", "copy local kinds", "copy local theirs/a"]);
    run.mode.value = "toRemote";
    expect([told(run), run.work().work.direction]).toEqual([
      ["delete remote theirs", "folder remote kinds", "copy remote differs", "copy remote kinds/in", "copy remote link", "copy remote mine"],
      "up",
    ]);
  });

  test("that cannot look says why", async () => {
    host.before = () => {
      throw new RequestRefused("outside");
    };
    const run = dryRun();
    await run.look(open);
    expect(run.phase.value).toEqual({ kind: "failed", why: "problem_outside" });
    expect(run.chosen.value).toEqual([]);
  });

  test("is cancelled in the middle, and begins anew", async () => {
    const run = dryRun();
    host.before = (op) => {
      if (op === "list") run.cancel();
    };
    await run.look(open);
    expect(run.phase.value.kind).toBe("wishes");
    host.before = () => undefined;
    await run.look(open);
    expect(run.phase.value.kind).toBe("plan");
  });
});

test("a plan is grouped by what would happen, what costs something first", async () => {
  const groups = grouped((await looked(true)).chosen.value);
  expect(groups.map(({ name, files, folders, bytes, actions }) => [name, files, folders, bytes, actions.map(({ path }) => path)])).toEqual([
    ["sync_delete_local", 1, 0, 0, ["mine"]],
    ["sync_over_local", 2, 0, 6, ["differs", "kinds"]],
    ["sync_copy_local", 1, 1, 3, ["theirs", "theirs/a"]],
  ]);
  expect([matches("a/Letter.txt", " letter "), matches("a", "b"), matches("a", "")]).toEqual([true, false, true]);
});
