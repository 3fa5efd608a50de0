import { describe, expect, test } from "vitest";
import { fromHex, loadVectors, toHex } from "../../protocol/testing/vectors";
import { byCodePoints } from "./order";
import { foldersAround, isSame, knownAfter, mirror, twoWay, type Action, type Known, type Node, type NodeKind, type Prefer, type Side, type Why } from "./plan";

interface Plan {
  readonly local: Readonly<Record<string, string>>;
  readonly remote: Readonly<Record<string, string>>;
  readonly known?: Readonly<Record<string, string>>;
  readonly prefer?: Prefer | null;
  readonly source?: Side;
  readonly unknown: readonly string[];
  readonly actions: readonly string[];
  readonly after?: Readonly<Record<string, string>>;
  readonly half?: Readonly<Record<string, string>>;
}

const { plans } = loadVectors<{ plans: readonly Plan[] }>("sync-plans");

const WHY: Readonly<Record<Why, string>> = {
  deleted_here: "It was deleted here and changed there.",
  deleted_there: "It was changed here and deleted there.",
  kinds: "It is not the same kind of thing on both sides.",
  differs: "It differs, and neither side is known to be the one that changed.",
};

function readNode(text: string): Node {
  const [kind, size, modified, sha256] = text.split(" ");
  const node = { kind: kind as NodeKind, size: Number(size), modified: Number(modified) };
  return sha256 === undefined ? node : { ...node, sha256: fromHex(sha256) };
}

const readTree = (texts: Readonly<Record<string, string>>): Map<string, Node> =>
  new Map(Object.entries(texts).map(([path, text]) => [path, readNode(text)]));

const readKnown = (texts: Readonly<Record<string, string>>): Known =>
  new Map(
    Object.entries(texts).map(([path, text]) => {
      const [here = "", there = ""] = text.split(" | ");
      return [path, [readNode(here), readNode(there)]];
    }),
  );

function nodeText({ kind, size, modified, sha256 }: Node): string {
  return `${kind} ${size} ${modified}${sha256 === undefined ? "" : ` ${toHex(sha256)}`}`;
}

function actionText({ deed, side, path, replaces, size, files, why }: Action): string {
  const told = [deed, side, path, replaces ? "replaces" : "", size > 0 ? `size=${size}` : "", files > 0 ? `files=${files}` : ""];
  return told.filter(Boolean).join(" ") + (why === null ? "" : `: ${WHY[why]}`);
}

const knownTexts = (known: Known) => Object.fromEntries([...known].map(([path, nodes]) => [path, nodes.map(nodeText).join(" | ")]));

describe("the plans of the terminal's planner", () => {
  test.each(plans.map((plan, number) => [number, plan] as const))("number %i is made here too", (_, plan) => {
    const [local, remote] = [readTree(plan.local), readTree(plan.remote)];
    const known = readKnown(plan.known ?? {});
    const actions =
      plan.source === undefined
        ? twoWay(local, remote, known, () => plan.prefer ?? null, plan.unknown)
        : mirror(local, remote, plan.source, plan.unknown);
    expect(actions.map(actionText)).toEqual(plan.actions);
    if (plan.after === undefined) return;
    expect(knownTexts(knownAfter(local, remote, known, actions))).toEqual(plan.after);
    expect(knownTexts(knownAfter(local, remote, known, actions.slice(0, Math.floor(actions.length / 2))))).toEqual(plan.half);
  });

  test("there are enough of them, with each deed and each reason", () => {
    const told = plans.flatMap(({ actions }) => actions).join("\n");
    expect(plans.length).toBeGreaterThan(80);
    for (const part of ["delete", "folder", "copy", "conflict", "replaces", ...Object.values(WHY)]) expect(told).toContain(part);
  });
});

const file = (version: number): Node => ({ kind: "file", size: version, modified: 1000 * version });

describe("a choice for one conflict", () => {
  const [local, remote] = [new Map([["a", file(1)], ["b", file(1)]]), new Map([["a", file(2)], ["b", file(2)]])];

  test("decides that one, and leaves the other", () => {
    const actions = twoWay(local, remote, new Map(), (path) => (path === "a" ? "remote" : null));
    expect(actions.map(actionText)).toEqual(["copy local a replaces size=2", `conflict local b: ${WHY.differs}`]);
  });

  test("for a folder decides what is in it", () => {
    const folder: Node = { kind: "folder", size: 0, modified: 0 };
    const actions = twoWay(new Map([["a", folder], ["a/b", file(3)]]), remote, new Map(), () => "local");
    expect(actions.map(actionText)).toEqual([
      "folder remote a replaces",
      "copy remote a/b size=3",
      "copy local b size=2",
    ]);
  });
});

test("paths are in the order of Python's strings", () => {
  const paths = ["\u{1f600}", "\uff5e", "a/b", "a", "a-b"];
  expect(paths.sort(byCodePoints)).toEqual(["a", "a-b", "a/b", "\uff5e", "\u{1f600}"]);
  expect(foldersAround("a/b/c")).toEqual(["a", "a/b"]);
});

test("links are the same as links only", () => {
  const link: Node = { kind: "other", size: 0, modified: 0 };
  expect([isSame(link, link), isSame(link, file(1)), isSame(undefined, undefined), isSame(link, undefined)]).toEqual([true, false, true, false]);
});
