import { beforeEach, describe, expect, test } from "vitest";
import type { Session, SessionQuery, SessionsPage } from "../api/types";
import { ALL_MINE, SessionList } from "./sessionList";

interface Asked {
  query: SessionQuery;
  cursor: string | null;
  limit: number;
  answer: (ids: string, next?: string | null) => Promise<void>;
  fail: (error: Error) => Promise<void>;
}

let asked: Asked[];
let list: SessionList;
const ids = (): string => (list.rows.value ?? []).map(({ id }) => id).join("");
const last = (): Asked => asked.at(-1) as Asked;

beforeEach(() => {
  asked = [];
  list = new SessionList((query, cursor, limit) => {
    let resolve: (page: SessionsPage) => void = () => undefined;
    let reject: (error: Error) => void = () => undefined;
    const promise = new Promise<SessionsPage>((...settle) => ([resolve, reject] = settle));
    // The list goes on in the next turn of the event loop.
    const settled = (): Promise<void> => new Promise((done) => setImmediate(done));
    asked.push({
      query,
      cursor,
      limit,
      answer: (found, next = null) => {
        const sessions = Array.from(found, (id) => ({ id }) as Session);
        resolve({ sessions, now: "2026-01-01T00:00:00Z", next });
        return settled();
      },
      fail: (error) => {
        reject(error);
        return settled();
      },
    });
    return promise;
  });
});

describe("the list of sessions", () => {
  test("asks the relay, page by page", async () => {
    void list.reload();
    expect(last()).toMatchObject({ query: ALL_MINE, cursor: null });
    await last().answer("ab", "second");
    expect([ids(), list.hasMore.value]).toEqual(["ab", true]);
    void list.more();
    expect(last().cursor).toBe("second");
    await last().answer("bc");
    expect([ids(), list.hasMore.value]).toEqual(["abc", false]);
    await list.more();
    expect(asked.length).toBe(2);
  });

  test("another question begins at the first page", async () => {
    void list.reload();
    await last().answer("ab", "second");
    void list.change({ q: "reception", state: "open" });
    expect(last()).toMatchObject({ query: { ...ALL_MINE, q: "reception", state: "open" }, cursor: null });
    await last().answer("x");
    expect(ids()).toBe("x");
  });

  test("a late answer to an old question is dropped", async () => {
    void list.change({ q: "a" });
    const early = last();
    void list.change({ q: "ab" });
    await last().answer("new");
    await early.answer("old");
    expect([ids(), list.isBusy.value]).toEqual(["new", false]);
  });

  test("what was shown stays when the relay cannot be asked", async () => {
    void list.reload();
    await last().answer("ab");
    void list.reload();
    await last().fail(new Error("gone"));
    expect(ids()).toBe("ab");
    expect(list.fault.value).toEqual(new Error("gone"));
  });

  test("asking again brings as many rows as are shown", async () => {
    void list.reload();
    await last().answer("x".repeat(60));
    void list.reload();
    expect(last().limit).toBe(60);
  });
});
