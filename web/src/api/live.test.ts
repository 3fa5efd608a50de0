import { describe, expect, test } from "vitest";
import { LiveSessions } from "./live";
import type { Session } from "./types";

function session(part: Partial<Session>): Session {
  return { id: "s", state: "active", removal: "none", created_at: "2026-01-01T00:00:00Z", ...part } as Session;
}

describe("a late answer of the API", () => {
  test.each([
    [{ state: "ended", removal: "pending" }, { state: "active" }],
    [{ state: "ended", removal: "confirmed" }, { state: "ended", removal: "pending" }],
    [{ state: "ended", removal: "all_but_last" }, { state: "ended", removal: "pending" }],
  ] as const)("does not take back %o", (known, late) => {
    const live = new LiveSessions();
    live.update(session(known));
    live.update(session(late));
    expect(live.get("s")).toMatchObject(known);
  });

  test("is taken in where it says more", () => {
    const live = new LiveSessions();
    live.update(session({ viewers: 1 }));
    live.update(session({ viewers: 2 }));
    live.update(session({ state: "ended", removal: "pending" }));
    live.update(session({ state: "ended", removal: "confirmed" }));
    expect(live.get("s")).toMatchObject({ state: "ended", removal: "confirmed" });
  });
});
