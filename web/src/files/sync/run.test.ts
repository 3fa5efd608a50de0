import { beforeEach, describe, expect, test, vi } from "vitest";
import { RequestRefused } from "../../tools/requests";
import { StreamClosed } from "../../tunnel/streams";
import { LocalSide, type Time } from "./localSide";
import { look, unknownOf } from "./look";
import { readKnown, type Memory } from "./memory";
import { mirror, twoWay, type Known, type PreferOf, type Side } from "./plan";
import { RemoteSide } from "./remoteSide";
import { SyncRun, undoName } from "./run";
import { MemoryFolder } from "./testing/memoryFolder";
import { MemoryHost } from "./testing/memoryHost";
import { workshop } from "./testing/workshop";

vi.mock("../fileWorker.ts?worker&url", () => ({ default: "/assets/fileWorker.js" }));

class TestMemory implements Memory {
  known: Known = new Map();
  readonly times = new Map<string, Time>();
  setTime(path: string, time: Time): void {
    this.times.set(path, time);
  }
  save(known: Known): Promise<void> {
    this.known = known;
    return Promise.resolve();
  }
}

interface Wish {
  readonly source?: Side;
  readonly prefer?: PreferOf;
  readonly both?: readonly string[];
}

let folder: MemoryFolder;
let host: MemoryHost;
let memory: TestMemory;

beforeEach(() => {
  folder = new MemoryFolder();
  host = new MemoryHost();
  memory = new TestMemory();
});

/** What would be done now. */
async function plan({ source, prefer, both = [] }: Wish = {}): Promise<SyncRun> {
  const local = new LocalSide(folder.handle, memory.times);
  const remote = new RemoteSide(host.client(), "/top");
  const seen = await look(local, remote, { takesHidden: true, byContent: false }, workshop, () => undefined, new AbortController().signal);
  const unknown = unknownOf(seen);
  const actions =
    source === undefined ? twoWay(seen.local, seen.remote, memory.known, prefer, unknown) : mirror(seen.local, seen.remote, source, unknown);
  return new SyncRun({
    session: "s",
    workshop,
    local,
    top: "/top",
    seen,
    actions,
    both,
    secondWord: "technician",
    memory,
    keepsKnown: source === undefined,
    now: new Date("2026-11-30T12:00:00Z"),
  });
}

/** Does all of it, as a job would; whether it came to its end. */
async function carryOut(run: SyncRun): Promise<boolean> {
  const client = host.client();
  try {
    for await (const task of run.tasks(client)) {
      await task.run(client, () => undefined, new AbortController().signal).catch((error: unknown) => {
        if (error instanceof StreamClosed) throw error;
      });
    }
  } catch (error) {
    if (!(error instanceof StreamClosed)) throw error;
    return false;
  }
  await run.remember();
  return true;
}

async function sync(wish: Wish = {}): Promise<SyncRun> {
  const run = await plan(wish);
  expect(await carryOut(run)).toBe(true);
  return run;
}

const told = (run: SyncRun) => Object.fromEntries([...run.results()].map(([key, outcome]) => [typeof key === "string" ? key : key.path, outcome]));

/** Without the undo folders, and what is in them without their times. */
function split(files: Record<string, string>): [Record<string, string>, Record<string, string>] {
  const undo = /^\.adhoc-undo\/[^/]+\//;
  const [kept, undone] = [true, false].map((isKept) =>
    Object.fromEntries(Object.entries(files).filter(([path]) => undo.test(path) !== isKept).map(([path, text]) => [path.replace(undo, ""), text])),
  );
  return [kept ?? {}, undone ?? {}];
}

const stands = () => ({ here: split(folder.files()), there: split(host.files()) });

describe("synchronising", () => {
  test("makes both the same, and has nothing to do afterwards", async () => {
    folder.put("new here.txt", "a", 1).put("both/same", "s", 5);
    host.put("new there.txt", "b", 2).put("both/same", "s", 5).put("empty/x", "", 3);
    await sync();
    const all = { "new here.txt": "a", "new there.txt": "b", "both/same": "s", "empty/x": "" };
    expect(stands()).toEqual({ here: [all, {}], there: [all, {}] });
    expect((await plan()).duty.actions).toEqual([]);
  });

  test("takes over changes and deletions of either side, and keeps what goes", async () => {
    for (const name of ["gone here", "gone there", "changed here", "changed there", "in/gone here"]) {
      folder.put(name, "old", 1);
      host.put(name, "old", 1, 0o640);
    }
    await sync();
    folder.inner.delete("gone here");
    folder.inner.delete("in");
    host.things.delete("/top/gone there");
    folder.put("changed here", "new from here", 7);
    host.put("changed there", "new from there", 8);
    const run = await sync();
    const both = { "changed here": "new from here", "changed there": "new from there" };
    expect(stands()).toEqual({
      here: [both, { "gone there": "old", "changed there": "old" }],
      there: [both, { "gone here": "old", "changed here": "old", "in/gone here": "old" }],
    });
    expect(host.things.get("/top/changed here")).toMatchObject({ modified: 7, mode: 0o640 });
    expect([run.usesUndo, run.undo]).toEqual([{ local: true, remote: true }, expect.stringMatching(/^\.adhoc-undo\/2026-11-30T120000-[0-9a-f]{4}$/)]);
    expect((await plan()).duty.actions).toEqual([]);
  });

  test("a file that was fetched and then changed here goes back with its own time", async () => {
    host.put("a", "one", 10);
    await sync();
    folder.put("a", "two", 20);
    await sync();
    expect([host.files(), host.things.get("/top/a")?.modified]).toMatchObject([{ a: "two" }, 20]);
    expect((await plan()).duty.actions).toEqual([]);
  });

  test("a file that was fetched is sent again, where it wins, with the time that it stands for", async () => {
    host.put("a", "one", 10);
    await sync();
    host.put("a", "other", 99);
    memory.known = new Map();
    await sync({ prefer: () => "local" });
    expect([host.files().a, host.things.get("/top/a")?.modified, split(host.files())[1]]).toEqual(["one", 10, { a: "other" }]);
    expect((await plan()).duty.actions).toEqual([]);
  });

  test("a conflict is left alone, or decided, or both are kept", async () => {
    for (const name of ["left", "mine", "theirs", "both.txt"]) {
      folder.put(name, "here", 1);
      host.put(name, "there", 2);
    }
    const choices: Record<string, Side> = { mine: "local", theirs: "remote" };
    const run = await sync({ prefer: (path) => choices[path] ?? null, both: ["both.txt"] });
    const same = { mine: "here", theirs: "there", "both.txt": "there", "both (technician).txt": "here" };
    expect(stands()).toEqual({
      here: [{ ...same, left: "here" }, { theirs: "here" }],
      there: [{ ...same, left: "there" }, { mine: "there" }],
    });
    expect(told(run)).toMatchObject({ "both.txt": "done", mine: "done", theirs: "done" });
    expect((await plan()).duty.actions.map(({ deed, path }) => [deed, path])).toEqual([["conflict", "left"]]);
  });

  test("a file takes a folder's place, and a folder a file's", async () => {
    folder.put("was folder", "file", 1).put("was file/in", "x", 1);
    host.put("was folder/in", "y", 1).put("was file", "file", 1);
    await sync({ prefer: () => "local" });
    const all = { "was folder": "file", "was file/in": "x" };
    expect(stands()).toEqual({ here: [all, {}], there: [all, { "was folder/in": "y", "was file": "file" }] });
  });
});

describe("replicating", () => {
  test("makes a copy, deletes what is only there, and has nothing to do afterwards", async () => {
    host.put("a", "a", 1).put("in/b", "b", 2);
    folder.put("in/b", "old", 1).put("only here/c", "c", 1);
    await sync({ source: "remote" });
    expect(stands().here).toEqual([{ a: "a", "in/b": "b" }, { "in/b": "old", "only here/c": "c" }]);
    expect((await plan({ source: "remote" })).duty.actions).toEqual([]);
    expect((await plan({ source: "local" })).duty.actions).toEqual([]);
    expect(memory.known.size).toBe(0);
  });
});

describe("what was changed after the look", () => {
  test("is neither replaced nor deleted, on either side, and is told", async () => {
    for (const name of ["over here", "over there", "gone here", "gone there", "in/gone here"]) {
      folder.put(name, "old", 1);
      host.put(name, "old", 1);
    }
    await sync();
    folder.put("over there", "new", 5).inner.delete("gone there");
    folder.inner.delete("in");
    host.put("over here", "new", 5).things.delete("/top/gone here");
    const run = await plan();
    folder.put("over here", "meanwhile", 6).put("gone here", "meanwhile", 6);
    host.put("over there", "meanwhile", 6).put("gone there", "meanwhile", 6).put("in/new", "meanwhile", 6);
    host.put("appeared", "meanwhile", 6);
    await carryOut(run);
    expect(told(run)).toEqual({
      "over here": "sync_changed",
      "over there": "sync_changed",
      "gone here": "sync_changed",
      "gone there": "sync_changed",
      in: "sync_changed",
    });
    expect([split(folder.files())[0], split(host.files())[0]]).toEqual([
      { "over here": "meanwhile", "gone here": "meanwhile", "over there": "new" },
      { "over there": "meanwhile", "gone there": "meanwhile", "over here": "new", "in/gone here": "old", "in/new": "meanwhile", appeared: "meanwhile" },
    ]);
  });

  test("something new in the way, or a source that changed or vanished, is told too", async () => {
    folder.put("up", "here", 1).put("up source", "here", 1);
    host.put("down", "there", 2).put("down source", "there", 2).put("vanished", "there", 2);
    const run = await plan();
    folder.put("down", "in the way", 3).put("up source", "changed", 3);
    host.put("up", "in the way", 3).put("down source", "changed", 3).things.delete("/top/vanished");
    await carryOut(run);
    expect(Object.values(told(run))).toEqual(Array(5).fill("sync_changed"));
    expect([folder.files().down, host.files().up]).toEqual(["in the way", "in the way"]);
  });
});

describe("what fails", () => {
  test("is told, file by file, and keeps no other", async () => {
    folder.put("denied/a", "x", 1).put("good", "x", 1);
    host.put("full", "y", 1).put("fine", "y", 1).put("denied/b", "y", 1);
    folder.full.add("full");
    host.before = (op, path) => {
      if (op === "put" && path.startsWith("/top/denied")) throw new RequestRefused("outside");
    };
    const run = await sync();
    expect(told(run)).toEqual({ good: "done", "denied/a": "problem_outside", fine: "done", full: "local_full", "denied/b": "done" });
    expect([Object.keys(host.files()).includes("good"), Object.keys(folder.files()).includes("full")]).toEqual([true, false]);
    const again = await plan();
    expect(again.duty.actions.map(({ path }) => path)).toEqual(["denied/a", "full"]);
  });

  test("where the undo folder cannot be made, nothing is deleted", async () => {
    folder.put("a", "x", 1);
    host.put("b", "y", 1);
    host.before = (op) => {
      if (op === "make") throw new RequestRefused("denied");
    };
    const run = await plan({ source: "local" });
    await expect(carryOut(run)).rejects.toMatchObject({ code: "denied" });
    expect(host.files()).toEqual({ b: "y" });
  });

  describe.each(["before", "after"] as const)("a connection that breaks %s a request was done", (when) => {
    test.each([...Array(18).keys()])("number %i, is gone on from", async (at) => {
      for (const name of ["over here", "over there", "gone here", "gone there/deep", "file to folder"]) {
        folder.put(name, "old", 1);
        host.put(name, "old", 1);
      }
      await sync();
      folder.put("over there", "new", 5).put("new here", "n", 5).put("twice", "mine", 5);
      for (const name of ["gone there", "file to folder"]) folder.inner.delete(name);
      folder.put("file to folder/in", "x", 5);
      host.put("over here", "new", 5).put("new there", "n", 5).put("twice", "theirs", 6).things.delete("/top/gone here");
      const run = await plan({ both: ["twice"], prefer: (path) => (path === "file to folder" ? "local" : null) });
      let count = 0;
      host[when] = () => {
        if ((count += 1) === at + 1) host.cut();
      };
      expect(await carryOut(run)).toBe(false);
      expect(await carryOut(run)).toBe(true);
      const all = {
        "over here": "new",
        "over there": "new",
        "file to folder/in": "x",
        "new here": "n",
        "new there": "n",
        twice: "theirs",
        "twice (technician)": "mine",
      };
      expect([split(folder.files())[0], split(host.files())[0]]).toEqual([all, all]);
      expect([...run.results().values()].filter((outcome) => outcome !== "done")).toEqual([]);
      expect(split(host.files())[1]).toEqual({ "over there": "old", "gone there/deep": "old", "file to folder": "old" });
      expect((await plan()).duty.actions).toEqual([]);
    });
  });
});

describe("what is remembered", () => {
  test("is nothing where it makes no sense", () => {
    const row = ["a", "file", 1, 2, "file", 1, 3];
    expect([...readKnown([row])]).toEqual([["a", [{ kind: "file", size: 1, modified: 2 }, { kind: "file", size: 1, modified: 3 }]]]);
    for (const kept of [null, {}, [[1]], [["a", "dir", 1, 2, "file", 1, 2]], [["a", "file", "1", 2, "file", 1, 2]]]) expect(readKnown(kept).size).toBe(0);
  });
});

test("undo folders are called as the terminal's", () => {
  expect(undoName(new Date("2026-01-02T03:04:05.678Z"), new Uint8Array([0, 255]))).toBe("2026-01-02T030405-00ff");
});
