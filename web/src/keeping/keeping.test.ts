import { beforeEach, describe, expect, test } from "vitest";
import { parseDeploymentLink } from "../protocol/links";
import { CODE_TTL, PendingSecrets, secondsLeft, withNewCode, type Store } from "./pending";
import { linkOf, newPending, passwordFault } from "./preparation";

class MemoryStore implements Store {
  readonly items = new Map<string, string>();
  get length(): number {
    return this.items.size;
  }
  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }
  getItem(name: string): string | null {
    return this.items.get(name) ?? null;
  }
  setItem(name: string, value: string): void {
    this.items.set(name, value);
  }
  removeItem(name: string): void {
    this.items.delete(name);
  }
}

const PENDING = newPending("k7mp-w2xa-9tfe", true, 1_000_000);

describe("preparation", () => {
  test("the link carries invite, secret and password, and nothing before # but the invite", () => {
    const link = linkOf(newPending("contraseña 'única'", false, 0), "https://relay.example");
    const parsed = parseDeploymentLink(link);
    expect(parsed.accessPassword).toBe("contraseña 'única'");
    expect([parsed.invite.length, parsed.secret.length]).toEqual([16, 16]);
    expect(link.split("#")[0]).toMatch(/^https:\/\/relay\.example\/d\/[\w-]{22}$/);
  });

  test("two preparations share nothing", () => {
    const other = newPending("k7mp-w2xa-9tfe", true, 1_000_000);
    expect(other.invite).not.toBe(PENDING.invite);
    expect(other.secret).not.toBe(PENDING.secret);
  });

  test("a password is kept in the form both sides hash", () => {
    expect(newPending("e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301e\u0301", false, 0).password).toBe("éééééééé");
  });

  test.each([
    ["k7mp-w2xa-9tfe", null],
    ["1234567", "password_too_short"],
    ["e\u0301".repeat(7), "password_too_short"],
    ["tab\tinside", "password_invalid"],
    ["é".repeat(129), "password_invalid"],
  ])("the password %j: %s", (password, fault) => {
    expect(passwordFault(password)).toBe(fault);
  });
});

describe("pending secrets", () => {
  let store: MemoryStore;
  let secrets: PendingSecrets;
  beforeEach(() => {
    store = new MemoryStore();
    secrets = new PendingSecrets(store);
  });

  test("what was put comes back after a reload", () => {
    secrets.put("s1", PENDING);
    expect(new PendingSecrets(store).get("s1")).toEqual(PENDING);
  });

  test("removed means gone from storage", () => {
    secrets.put("s1", PENDING);
    secrets.remove("s1");
    expect([secrets.get("s1"), store.length]).toEqual([null, 0]);
  });

  test("only the sessions that are still open are kept, and other things are left alone", () => {
    store.setItem("other", "kept");
    for (const id of ["s1", "s2", "s3"]) secrets.put(id, PENDING);
    secrets.keepOnly(new Set(["s2"]));
    expect([...store.items.keys()]).toEqual(["other", "adhoc.pending.s2"]);
  });

  test.each(["", "{", "null", "[]", '{"code":"12"}', JSON.stringify({ ...PENDING, code: "12345678x" })])(
    "unreadable storage %j counts as nothing",
    (text) => {
      store.setItem("adhoc.pending.s1", text);
      expect(secrets.get("s1")).toBeNull();
    },
  );
});

describe("the code's time", () => {
  test("ten minutes from when it was shown, and none after the clock was set back", () => {
    expect(secondsLeft(PENDING, PENDING.shownAt)).toBe(CODE_TTL);
    expect(secondsLeft(PENDING, PENDING.shownAt + 599_000)).toBe(1);
    expect(secondsLeft(PENDING, PENDING.shownAt + 600_000)).toBe(0);
    expect(secondsLeft(PENDING, PENDING.shownAt - 1)).toBe(0);
  });

  test("a new code is another one in the slot the relay says", () => {
    const renewed = withNewCode(PENDING, 2, 5_000_000);
    expect(renewed.code).toMatch(/^\d{9}$/);
    expect(renewed.code).not.toBe(PENDING.code);
    expect(renewed).toMatchObject({ slot: 2, shownAt: 5_000_000, secret: PENDING.secret });
  });
});
