import { describe, expect, test, vi } from "vitest";
import { RemoteProtocolError } from "../../protocol/errors";
import { RequestRefused } from "../../tools/requests";
import { LocalSide } from "./localSide";
import { look, unknownOf, type Seen, type Wishes } from "./look";
import { collisions, secondName, whyNotHere } from "./names";
import { twoWay, type Node } from "./plan";
import { RemoteSide } from "./remoteSide";
import { MemoryFolder } from "./testing/memoryFolder";
import { MemoryHost } from "./testing/memoryHost";
import { workshop } from "./testing/workshop";
import { Tree } from "./tree";

vi.mock("../fileWorker.ts?worker&url", () => ({ default: "/assets/fileWorker.js" }));

const EASY: Wishes = { takesHidden: true, byContent: false };

function seen(folder: MemoryFolder, host: MemoryHost, wishes: Partial<Wishes> = {}, signal = new AbortController().signal): Promise<Seen> {
  const remote = new RemoteSide(host.client(), "/top");
  return look(new LocalSide(folder.handle, new Map()), remote, { ...EASY, ...wishes }, workshop, () => undefined, signal);
}

const whys = ({ left }: Seen) => Object.fromEntries([...left.values()].map(({ shown, why }) => [shown, why]));

describe("names", () => {
  test.each<[string | Uint8Array<ArrayBuffer>, string | null]>([
    ["letter.txt", null],
    [".hidden", null],
    ["a  b \u2014 é \u{1f469}\u200d\u{1f4bb}.txt", null],
    ["..", "sync_name_path"],
    ["../../etc/passwd", "sync_name_path"],
    ["a\0b", "sync_name_path"],
    [new Uint8Array([0x61, 0xff]), "sync_name_bytes"],
    ["cod.exe\u202etxt.", "sync_name_unseen"],
    ["a\nb", "sync_name_unseen"],
    ["..\\..\\evil", "sync_name_special"],
    ["file.txt:stream", "sync_name_special"],
    ["CON", "sync_name_device"],
    ["nul.txt", "sync_name_device"],
    ["com1 .log", "sync_name_device"],
    ["LPT²", "sync_name_device"],
    ["end.", "sync_name_end"],
    ["end ", "sync_name_end"],
    ["click me.url", "sync_name_shell"],
    ["ä".repeat(128), "sync_name_long"],
  ])("%j: %s", (name, why) => {
    expect(whyNotHere(name)).toBe(why);
  });

  test("that differ in capitals or accents only are taken for one, unless this computer has both", () => {
    const [file, folder]: Node[] = [{ kind: "file", size: 1, modified: 1 }, { kind: "folder", size: 0, modified: 0 }];
    const tree = (...paths: string[]) => new Map(paths.map((path) => [path, path.endsWith("d") ? folder : file] as [string, Node]));
    expect([...collisions(tree("d", "d/a"), tree("d", "d/A", "d/b"))]).toEqual(["d/a", "d/A"]);
    expect([...collisions(tree(), tree("\u00e9", "e\u0301"))]).toEqual(["\u00e9", "e\u0301"]);
    expect([...collisions(tree("Makefile", "makefile"), tree("Makefile"))]).toEqual([]);
  });

  test("a second name keeps the ending, and is free", () => {
    expect(secondName("a.tar.gz", "mine", () => false)).toBe("a.tar (mine).gz");
    expect(secondName(".profile", "mine", (name) => name === ".profile (mine)")).toBe(".profile (mine 2)");
  });
});

describe("looking at both folders", () => {
  test("finds what is there, hidden things too where they are wanted", async () => {
    const folder = new MemoryFolder().put("a/b.txt", "here", 5).put(".env", "x", 6);
    const host = new MemoryHost().put("a/c.txt", "there", 7, 0o600).put(".cache/deep", "x", 8).link("to");
    const all = await seen(folder, host);
    expect([...all.local.keys()].sort()).toEqual([".env", "a", "a/b.txt"]);
    expect([...all.remote.keys()].sort()).toEqual([".cache", ".cache/deep", "a", "a/c.txt", "to"]);
    expect([all.local.get("a/b.txt"), all.remote.get("a/c.txt")]).toEqual([
      { kind: "file", size: 4, modified: 5 },
      { kind: "file", size: 5, modified: 7, mode: 0o600 },
    ]);
    const some = await seen(folder, host, { takesHidden: false });
    expect([[...some.hidden].sort(), some.remote.has(".cache/deep")]).toEqual([[".cache", ".env"], false]);
    expect(twoWay(some.local, some.remote, new Map(), undefined, unknownOf(some)).map(({ path }) => path)).toEqual(["a/b.txt", "a/c.txt"]);
  });

  test("leaves out the undo folder and parts of transfers, but not those of others", async () => {
    const folder = new MemoryFolder().put(".adhoc-undo/x/a", "", 1).put("in/.adhoc-undo", "", 1).put("b.txt.crswap", "", 1);
    const host = new MemoryHost().put(".a.0123.part", "", 1).put(".adhoc-undo/x", "", 1);
    const { local, remote } = await seen(folder, host);
    expect([[...local.keys()], [...remote.keys()]]).toEqual([["in", "in/.adhoc-undo"], []]);
  });

  test("a hostile host's names are told with the reason, and lead nowhere", async () => {
    const entry = { kind: "file", size: 1, modified: 1, mode: 0o644, owner: "", hidden: false };
    const host = new MemoryHost().put("good", "x", 1);
    const names = ["../../.bashrc", "/etc/passwd", "..", "a\\..\\b", "NUL", "x\u202ey", "Good", new Uint8Array([0xff])];
    host.lies.set("/top", names.map((name) => ({ ...entry, name })));
    const found = await seen(new MemoryFolder(), host);
    expect(whys(found)).toEqual({
      "../../.bashrc": "sync_name_path",
      "/etc/passwd": "sync_name_path",
      "..": "sync_name_path",
      "a\\..\\b": "sync_name_special",
      NUL: "sync_name_device",
      xy: "sync_name_unseen",
      good: "sync_name_case",
      Good: "sync_name_case",
      "\ufffd": "sync_name_bytes",
    });
    expect(twoWay(found.local, found.remote, new Map(), undefined, unknownOf(found))).toEqual([]);
  });

  test("a folder with something nameless in it does not go", async () => {
    const host = new MemoryHost().put("a/b", "x", 1);
    host.lies.set("/top/a", [{ name: "c:d", kind: "file", size: 1, modified: 1, mode: 0, owner: "", hidden: false }]);
    const found = await seen(new MemoryFolder(), host);
    const nodes = new Map([...found.remote].map(([path, node]) => [path, [node, node] as const]));
    const plan = twoWay(found.local, found.remote, nodes, undefined, unknownOf(found));
    expect(plan.map(({ deed, path }) => [deed, path])).toEqual([["delete", "a/b"]]);
  });

  test("a tree without end is given up", async () => {
    const host = new MemoryHost();
    const entry = { name: "a", kind: "folder", size: 0, modified: 1, mode: 0, owner: "", hidden: false };
    const client = host.client();
    vi.spyOn(client.requests, "ask").mockImplementation(async (_op, _fields, onPart) => {
      await onPart?.({ head: { entries: [entry] }, headBytes: 1, body: new Uint8Array(0) });
      return { head: { ok: {} }, headBytes: 1, body: new Uint8Array(0) };
    });
    await expect(new RemoteSide(client, "/top").tree(true)).rejects.toMatchObject({ name: "sync_too_deep" });
  });

  test("a name that is there twice breaks the protocol", async () => {
    const host = new MemoryHost().put("a", "x", 1);
    host.lies.set("/top", [{ name: "a", kind: "file", size: 1, modified: 1, mode: 0, owner: "", hidden: false }]);
    await expect(seen(new MemoryFolder(), host)).rejects.toBeInstanceOf(RemoteProtocolError);
  });

  test("a tree is bounded in number and in the length of its paths", () => {
    const tree = new Tree();
    const node: Node = { kind: "file", size: 0, modified: 0 };
    for (let number = 0; number < 500_000; number++) tree.take(String(number), node);
    expect(() => tree.take("one more", node)).toThrow("sync_too_many");
    const long = new Tree();
    const fill = (): void => {
      for (let number = 0; ; number++) long.take(`${number}`.padEnd(4000, "x"), node);
    };
    expect(fill).toThrow("sync_too_many");
    expect(long.nodes.size).toBeLessThan(17_000);
  });

  test("a folder that may not be read is left alone; the top's refusal is told", async () => {
    const host = new MemoryHost().put("locked/a", "x", 1).put("open/a", "x", 1);
    host.before = (op, path) => {
      if (op === "list" && path === "/top/locked") throw new RequestRefused("denied");
    };
    const found = await seen(new MemoryFolder(), host);
    expect([whys(found), [...found.remote.keys()]]).toEqual([{ locked: "problem_denied" }, ["locked", "open", "open/a"]]);
    host.before = () => {
      throw new RequestRefused("outside");
    };
    await expect(seen(new MemoryFolder(), host)).rejects.toMatchObject({ code: "outside" });
  });

  test("contents are compared where sizes are the same", async () => {
    const folder = new MemoryFolder().put("same", "abc", 1).put("other", "abc", 1).put("longer", "abcd", 1);
    const host = new MemoryHost().put("same", "abc", 2).put("other", "xyz", 1).put("longer", "abc", 1);
    const told: unknown[] = [];
    const remote = new RemoteSide(host.client(), "/top");
    const found = await look(new LocalSide(folder.handle, new Map()), remote, { ...EASY, byContent: true }, workshop, ({ contents }) => told.push(contents), new AbortController().signal);
    expect(twoWay(found.local, found.remote, new Map()).map(({ path }) => path)).toEqual(["longer", "other"]);
    expect(told.at(-1)).toEqual({ done: 6, all: 6 });
  });

  test("is given up when that is wanted", async () => {
    const stop = new AbortController();
    stop.abort();
    await expect(seen(new MemoryFolder().put("a", "", 1), new MemoryHost(), {}, stop.signal)).rejects.toMatchObject({ name: "AbortError" });
  });
});
