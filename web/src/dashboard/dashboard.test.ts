import { describe, expect, test } from "vitest";
import { RemoteProtocolError } from "../protocol/errors";
import { MessageFields } from "../protocol/messages";
import { readLoad } from "./client";
import { MAX_VALUES, Ring, type Sample } from "./ring";
import { csvOf, figure, isRow, rowIn, rowsIn, treeOf, words, wordsIn, type Row } from "./rows";

describe("rows of the host", () => {
  const row: Row = { name: "a\u202eb", size: 5, nan: NaN, deep: { x: 1 }, list: [{ y: 1 }, 5, null], texts: ["a", 5] };

  test("are read by kind, and what is of another is empty", () => {
    expect([words(row, "name"), words(row, "size"), words(row, "toString")]).toEqual(["ab", "", ""]);
    expect([figure(row, "size"), figure(row, "nan"), figure(row, "name")]).toEqual([5, null, null]);
    expect([rowIn(row, "deep"), rowIn(row, "list"), rowsIn(row, "list"), wordsIn(row, "texts")]).toEqual([{ x: 1 }, {}, [{ y: 1 }], ["a"]]);
    expect([isRow([]), isRow(null), isRow({})]).toEqual([false, false, true]);
  });

  const process = (pid: number, parent: number): Row => ({ pid, parent });
  const shape = (rows: Row[]) => treeOf(rows).map(({ row: each, depth }) => [figure(each, "pid"), depth]);

  test("processes stand behind their parents", () => {
    expect(shape([process(3, 2), process(1, 0), process(2, 1), process(9, 77)])).toEqual([
      [1, 0],
      [2, 1],
      [3, 2],
      [9, 0],
    ]);
  });

  test("a family in a circle is cut, and everybody is there once", () => {
    expect(shape([process(1, 2), process(2, 1), process(5, 5)]).map(([pid]) => pid).sort()).toEqual([1, 2, 5]);
  });

  test("twenty thousand children of one process, and of each other, take no time worth mentioning", () => {
    const flat = Array.from({ length: 20_000 }, (_, index) => process(index + 2, 1));
    const deep = Array.from({ length: 20_000 }, (_, index) => process(index + 2, index + 1));
    expect([shape(flat).length, shape(deep).at(-1)]).toEqual([20_000, [20_001, 19_999]]);
  });

  test("a file for spreadsheets has no formulas", () => {
    expect(csvOf(["a", "b"], [["=1+1", 'say "hi", all'], [-1, null], ["@x\ny", ""]])).toBe(
      "a,b\r\n'=1+1,\"say \"\"hi\"\", all\"\r\n-1,\r\n\"'@x\ny\",\r\n",
    );
  });
});

const sample = (cpu: number): Sample => ({ cpu, memory: 0, disk_read: 0, disk_written: 0, received: 0, sent: 0 });

describe("the last 24 hours", () => {
  test("are drawn with gaps, and go on", () => {
    const ring = new Ring();
    ring.fill("cpu", [1, null, 3]);
    ring.begin(1000, 10);
    expect(ring.series(["cpu"], 3600, 1030)).toEqual({ times: [1000, 1010, 1020], values: [[1, null, 3]] });
    for (let at = 1030; at <= 1040; at++) ring.add(at, sample(at === 1030 ? 5 : 6));
    const { times, values } = ring.series(["cpu"], 3600, 1040);
    expect(times).toEqual([1000, 1010, 1020, 1030]);
    expect(values[0]?.[3]).toBeCloseTo(5.9);
  });

  test("the shortest range shows each second", () => {
    const ring = new Ring();
    ring.fill("cpu", [1, 2]);
    ring.begin(1000, 10);
    ring.add(1021, sample(7));
    ring.add(1022, sample(8));
    expect(ring.series(["cpu"], 300, 1022)).toEqual({ times: [1000, 1010, 1021, 1022], values: [[1, 2, 7, 8]] });
  });

  test("time without measurements is a gap", () => {
    const ring = new Ring();
    ring.fill("cpu", [1]);
    ring.begin(1000, 10);
    ring.add(1055, sample(7));
    ring.add(1061, sample(8));
    expect(ring.series(["cpu"], 3600, 1061).values).toEqual([[1, null, null, null, null, 7]]);
    expect(ring.series(["cpu"], 300, 1061).values).toEqual([[1, null, null, null, null, 7, null, 8]]);
  });

  test("never hold more than a day, and forget the oldest", () => {
    const ring = new Ring();
    ring.fill("cpu", Array<number>(MAX_VALUES).fill(1));
    ring.begin(0, 10);
    ring.add((MAX_VALUES + 1) * 10, sample(2));
    ring.add((MAX_VALUES + 2) * 10, sample(3));
    const { times, values } = ring.series(["cpu"], 1e9, (MAX_VALUES + 1) * 10);
    expect([times.length, times[0], values[0]?.at(-1)]).toEqual([MAX_VALUES, 20, 2]);
  });

  test.each<[string, () => void]>([
    ["a column that there is not", () => new Ring().fill("x", [1])],
    ["an empty part", () => new Ring().fill("cpu", [])],
    ["a column without end", () => new Ring().fill("cpu", Array<number>(MAX_VALUES + 1).fill(1))],
  ])("%s is refused", (_, fill) => {
    expect(fill).toThrow(RemoteProtocolError);
  });
});

describe("a measurement", () => {
  const now = {
    cpu: 5,
    cores: [1, 2],
    memory: { used: 1, total: 2 },
    swap: { used: 0, total: 0 },
    disk: { read: 1, written: 2 },
    network: { received: 3, sent: 4 },
    top: [{ pid: 1 }],
  };

  test("is read", () => {
    expect(readLoad(new MessageFields(now))).toMatchObject({ cpu: 5, memoryTotal: 2, sent: 4, cores: [1, 2] });
  });

  test.each([
    ["a processor that does more than all", { cpu: 101 }],
    ["negative memory", { memory: { used: -1, total: 1 } }],
    ["thousands of processors", { cores: Array<number>(1025).fill(0) }],
    ["top processes that are none", { top: ["<b>"] }],
    ["no disk", { disk: null }],
  ])("%s is refused", (_, part) => {
    expect(() => readLoad(new MessageFields({ ...now, ...part }))).toThrow(RemoteProtocolError);
  });
});
