import { describe, expect, test, vi } from "vitest";
import { RemoteProtocolError } from "../protocol/errors";
import { MessageFields } from "../protocol/messages";
import { RequestRefused, type OnPart, type Requests } from "../tools/requests";
import { StreamClosed } from "../tunnel/streams";
import { CloseReason } from "../protocol/closeReasons";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { FilesClient, MAX_ENTRIES_BYTES, readEntry, type Entry } from "./client";
import { Job, Jobs, sentenceOfProblem, type Task, type Work } from "./jobs";
import { isWithin, joinPath, keyOf, nameOf, parentOf, shownName, stepsTo } from "./paths";
import { choose, filtered, sorted, type FileRow } from "./rows";
import type { Workshop } from "./transfers";
import { fetching, filesBelow, localName } from "./works";
import { LocalProblem } from "./workerLink";

vi.mock("./fileWorker.ts?worker&url", () => ({ default: "/assets/fileWorker.js" }));
vi.mock("../tools/requests", async (original) => ({
  ...(await original<object>()),
  Requests: class {
    close = (): void => undefined;
  },
}));

const bytes = (...values: number[]) => new Uint8Array(values);

describe("paths", () => {
  test("are joined, also where a name is no text", () => {
    expect(joinPath("/", "etc")).toBe("/etc");
    expect(joinPath("/home/", "ana")).toBe("/home/ana");
    expect(joinPath("/a", bytes(0xff))).toEqual(bytes(0x2f, 0x61, 0x2f, 0xff));
    expect(joinPath(bytes(0x2f, 0xff), "b")).toEqual(bytes(0x2f, 0xff, 0x2f, 0x62));
  });

  test("have a folder above and a name, up to the root", () => {
    expect([parentOf("/a/b"), parentOf("/a"), parentOf("/")]).toEqual(["/a", "/", null]);
    expect([nameOf("/a/b"), nameOf("/")]).toEqual(["b", ""]);
    expect(parentOf(bytes(0x2f, 0xff, 0x2f, 0x62))).toEqual(bytes(0x2f, 0xff));
    expect(stepsTo("/a/b")).toEqual([{ path: "/", name: "/" }, { path: "/a", name: "a" }, { path: "/a/b", name: "b" }]);
  });

  test("are shown harmlessly, and told apart exactly", () => {
    expect(shownName("a\u202eb\nc")).toBe("ab c");
    expect(shownName(bytes(0x61, 0xff))).toBe("a\ufffd");
    expect(keyOf(bytes(0x61))).not.toBe(keyOf("a"));
    expect([isWithin("/a/b", "/a"), isWithin("/ab", "/a"), isWithin("/a", "/a")]).toEqual([true, false, true]);
  });

  test.each([
    ["a/b", "a_b"],
    ["CON", "_CON"],
    ["com1.txt", "_com1.txt"],
    ["what? *", "what_ _"],
    ["end. .", "end_"],
    [". .", "_"],
    ["..\u200b", "_"],
    ["CONIN$", "_CONIN$"],
    ["com¹", "_com¹"],
    ["C:\\x", "C__x"],
    ["invoice\u202efdp.exe", "invoicefdp.exe"],
    ["\u202e", "_"],
  ])("the name %s is %s on this computer", (name, local) => {
    expect(localName(name)).toBe(local);
  });
});

const row = (name: string, part: Partial<FileRow> = {}): FileRow => ({
  key: name,
  name,
  kind: "file",
  size: 0,
  modified: 0,
  note: "",
  owner: "",
  ...part,
});

describe("rows", () => {
  test("folders come first, names as people count", () => {
    const rows = [row("b10"), row("b9"), row("z", { kind: "folder", size: null })];
    const names = (found: readonly FileRow[]) => found.map(({ name }) => name);
    expect(names(sorted(rows, { column: "name", isDescending: false }, "en"))).toEqual(["z", "b9", "b10"]);
    expect(names(sorted(rows, { column: "name", isDescending: true }, "en"))).toEqual(["z", "b10", "b9"]);
    expect(names(sorted([row("a", { size: 1 }), row("b", { size: 2 })], { column: "size", isDescending: true }, "en"))).toEqual(["b", "a"]);
    expect(names(filtered(rows, " B1 "))).toEqual(["b10"]);
  });

  test("are chosen one by one, together, and in ranges", () => {
    const rows = ["a", "b", "c", "d"].map((name) => row(name));
    const plain = { isToggle: false, isRange: false };
    const one = choose(rows, new Set(), null, "b", plain);
    expect([...one]).toEqual(["b"]);
    expect([...choose(rows, one, "b", "d", { ...plain, isRange: true })]).toEqual(["b", "c", "d"]);
    expect([...choose(rows, one, "b", "a", { ...plain, isRange: true })]).toEqual(["a", "b"]);
    expect([...choose(rows, one, "b", "d", { ...plain, isToggle: true })]).toEqual(["b", "d"]);
    expect([...choose(rows, one, "b", "b", { ...plain, isToggle: true })]).toEqual([]);
    expect([...choose(rows, one, "gone", "c", { ...plain, isRange: true })]).toEqual(["c"]);
  });
});

const ENTRY = { name: "a", kind: "file", size: 1, modified: 0, mode: 0o644, owner: "ana", hidden: false };

describe("what the host says of a thing", () => {
  test("is read", () => {
    expect(readEntry(new MessageFields({ ...ENTRY, target: "/x" }))).toMatchObject({ name: "a", kind: "file", target: "/x", below: null });
  });

  test.each<[string, object]>([
    ["a name that leads elsewhere", { name: ".." }],
    ["a name with a slash", { name: "a/b" }],
    ["bytes with a slash", { name: bytes(0x61, 0x2f) }],
    ["no name", { name: "" }],
    ["a kind that there is not", { kind: "device" }],
    ["a negative size", { size: -1 }],
    ["an absurd size", { size: 2 ** 60 }],
    ["an absurd time", { modified: 2 ** 50 }],
    ["half a truth", { hidden: 1 }],
  ])("%s is refused", (_, part) => {
    expect(() => readEntry(new MessageFields({ ...ENTRY, ...part }))).toThrow(RemoteProtocolError);
  });

  test.each<[string, (number: number) => string, string]>([
    ["wide", (number) => `${number}`, "too_many"],
    ["of endlessly long names", (number) => (number % 4000 === 1 ? "a" : `${number}${"x".repeat(3000)}`), "too_many"],
    ["of longer paths than there are", (number) => `${number}${"x".repeat(4096)}`, "too_deep"],
  ])("a tree without end that is %s is given up", async (_, nameOfNumber, problem) => {
    const folder = { ...readEntry(new MessageFields(ENTRY)), kind: "folder" } as Entry;
    let count = 0;
    const list = (__: unknown, ___: boolean, onPage: (entries: Entry[]) => void): Promise<void> => {
      onPage(Array.from({ length: 4000 }, (____, index) => ({ ...folder, kind: index === 0 ? "folder" : "file", name: nameOfNumber((count += 1)) })));
      return Promise.resolve();
    };
    const walk = async (): Promise<void> => {
      for await (const found of filesBelow({ list } as unknown as FilesClient, "/", folder)) if (found.names.length > 100) return;
    };
    const error = (await walk().catch((reason: unknown) => reason)) as { name: string; code?: string };
    expect(error.code ?? error.name).toBe(problem);
    expect(count).toBeLessThan(250_000);
  });

  test("a listing that is few things and memory without end breaks the protocol", async () => {
    let told = 0;
    const ask = async (__: string, ___: object, onPart: OnPart): Promise<never> => {
      for (;;) {
        await onPart({ head: { entries: [{ ...ENTRY, target: "x" }] }, headBytes: 256 * 1024, body: bytes() });
        told += 1;
      }
    };
    const client = new FilesClient({ ask } as unknown as Requests);
    await expect(client.list("/", true, () => undefined)).rejects.toBeInstanceOf(RemoteProtocolError);
    expect(told).toBe(MAX_ENTRIES_BYTES / (256 * 1024));
  });

  test("of two names that are one here, the second replaces nothing", async () => {
    const folder = { ...readEntry(new MessageFields(ENTRY)), kind: "folder" } as Entry;
    const inside = ["a?", "A*", "b"].map((name) => ({ ...folder, kind: "file", name }) as Entry);
    const client = { list: (__: unknown, ___: boolean, onPage: (entries: Entry[]) => void) => Promise.resolve(onPage(inside)) };
    const root = { getDirectoryHandle: () => Promise.resolve(root) } as unknown as FileSystemDirectoryHandle;
    const common = { session: "s", workshop: {} as Workshop, title: "", overwrite: true };
    const run = async (task: Task): Promise<string> =>
      task.run({ read: () => Promise.reject(new RequestRefused("denied")) } as unknown as FilesClient, () => undefined, new AbortController().signal).then(
        () => "done",
        (error: unknown) => sentenceOfProblem(error),
      );
    const told: [string, string][] = [];
    for await (const task of fetching(common, [{ path: "/a", entry: folder }], root).tasks(client as unknown as FilesClient)) told.push([task.name, await run(task)]);
    expect(told).toEqual([
      ["/a/A*", "problem_denied"],
      ["/a/a?", "local_same_name"],
      ["/a/b", "problem_denied"],
    ]);
  });

  test("a tree without end is given up", async () => {
    const folder = { ...readEntry(new MessageFields(ENTRY)), kind: "folder" } as Entry;
    const client = { list: (_: unknown, __: boolean, onPage: (entries: Entry[]) => void) => Promise.resolve(onPage([folder])) };
    const walk = async (): Promise<number> => {
      let count = 0;
      for await (const found of filesBelow(client as unknown as FilesClient, "/", folder)) count += found.names.length > 0 ? 1 : 0;
      return count;
    };
    await expect(walk()).rejects.toMatchObject({ code: "too_deep" });
  });
});

const channel = () => Promise.resolve({} as SealedChannel);
const task = (name: string, size: number, run: Task["run"] = () => Promise.resolve()): Task => ({ name, size, run });
const work = (tasks: Task[], overwrite = false): Work => ({
  direction: "up",
  title: "work",
  overwrite,
  async *tasks() {
    yield* tasks;
  },
});

describe("a job", () => {
  test("does all its files, small and large, and counts", async () => {
    const done: string[] = [];
    const run = (name: string): Task => task(name, name.length * 200_000, () => Promise.resolve(void done.push(name)));
    const job = new Job(1, work(["a", "bb", "cc", "dd"].map(run)));
    await job.run(channel);
    expect([job.state.value, done.sort(), job.progress.value]).toMatchObject(["done", ["a", "bb", "cc", "dd"], { files: 4, filesDone: 4, bytes: 1_400_000, bytesDone: 1_400_000 }]);
  });

  test("a file that fails keeps no other; what was there is left and counted", async () => {
    const tasks = [
      task("denied", 1, () => Promise.reject(new RequestRefused("denied"))),
      task("full", 1, () => Promise.reject(new LocalProblem("QuotaExceededError"))),
      task("there", 1, () => Promise.reject(new RequestRefused("exists"))),
      task("good", 1),
    ];
    const job = new Job(1, work(tasks));
    await job.run(channel);
    expect([job.state.value, job.problems.value, job.progress.value]).toMatchObject([
      "done",
      [
        { name: "denied", why: "problem_denied" },
        { name: "full", why: "local_full" },
      ],
      { filesDone: 4, skipped: 1 },
    ]);
  });

  test("waits when the connection fails, and does the rest afterwards", async () => {
    let isUp = false;
    const done: string[] = [];
    const cut = (name: string): Task =>
      task(name, 1, () => {
        if (!isUp && name === "b") return Promise.reject(new StreamClosed(CloseReason.HOST_OFFLINE));
        done.push(name);
        return Promise.resolve();
      });
    const job = new Job(1, work([cut("a"), cut("b"), cut("c")]));
    await job.run(channel);
    expect(job.state.value).toBe("waiting");
    isUp = true;
    await job.run(channel);
    expect([job.state.value, [...new Set(done)].sort(), done.length]).toEqual(["done", ["a", "b", "c"], 3]);
  });

  test("is paused, goes on, and is cancelled", async () => {
    const job = new Job(
      1,
      work([
        task("slow", 1, (_, __, signal) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new StreamClosed(CloseReason.DONE))))),
      ]),
    );
    const first = job.run(channel);
    await vi.waitFor(() => expect(job.state.value).toBe("running"));
    job.pause();
    await first;
    expect([job.state.value, job.problemCount.value]).toEqual(["paused", 0]);
    job.resume();
    const second = job.run(channel);
    await vi.waitFor(() => expect(job.state.value).toBe("running"));
    job.cancel();
    await second;
    expect([job.state.value, job.problemCount.value]).toEqual(["cancelled", 0]);
  });

  test("that cannot even look is over, and says why", async () => {
    const job = new Job(1, {
      ...work([]),
      async *tasks() {
        throw new RequestRefused("denied");
      },
    });
    await job.run(channel);
    expect([job.state.value, job.problems.value]).toEqual(["done", [{ name: "work", why: "problem_denied" }]]);
  });

  test("that gets nowhere is given up", async () => {
    const job = new Job(1, work([task("cut", 1, () => Promise.reject(new StreamClosed(CloseReason.BAD_FRAME)))]));
    for (let runs = 0; runs < 5; runs++) await job.run(channel);
    expect([job.state.value, job.problems.value[0]?.why]).toEqual(["done", "problem_cut"]);
  });
});

describe("jobs", () => {
  test("wait for a connection, and are done one after the other", async () => {
    const jobs = new Jobs();
    const order: string[] = [];
    jobs.onDone = ({ id }) => void order.push(`over ${id}`);
    const first = jobs.add(work([task("a", 1, () => Promise.resolve(void order.push("a")))]));
    const second = jobs.add(work([task("b", 1, () => Promise.resolve(void order.push("b")))]));
    expect([first.state.value, second.state.value]).toEqual(["waiting", "waiting"]);
    jobs.connect(channel);
    await vi.waitFor(() => expect(second.state.value).toBe("done"));
    expect(order).toEqual(["a", "over 1", "b", "over 2"]);
    jobs.tidy();
    expect(jobs.list.value).toEqual([]);
  });
});
