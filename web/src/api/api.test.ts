import { describe, expect, test } from "vitest";
import { Backoff, spreadWithin } from "./backoff";
import { problemOf } from "./client";
import { parseEvent } from "./live";

describe("backoff", () => {
  test("the bound is what was waited so far, from half a second to a minute", () => {
    const backoff = new Backoff(undefined, () => 1);
    const delays = Array.from({ length: 9 }, () => backoff.next());
    expect(delays).toEqual([0.5, 0.5, 1, 2, 4, 8, 16, 32, 60]);
  });

  test("jitter takes all of the range but never comes back at once", () => {
    expect(new Backoff(undefined, () => 0).next()).toBe(0.1);
    const backoff = new Backoff(undefined, () => 0.5);
    expect([backoff.next(), backoff.next(), backoff.next()]).toEqual([0.25, 0.25, 0.25]);
    expect([backoff.next(), backoff.next()]).toEqual([0.375, 0.5625]);
  });

  test("success begins anew", () => {
    const backoff = new Backoff(undefined, () => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(0.5);
  });

  test("a draining relay is not met by all at once, nor believed for ever", () => {
    expect([spreadWithin(10, () => 0.3), spreadWithin(1e9, () => 1), spreadWithin(-5, () => 1)]).toEqual([3, 60, 0]);
  });
});

describe("problems", () => {
  test("limit and session in the way are read", () => {
    const body = { detail: "One open session at a time.", limit: "sessions_per_technician", session: "abc", status: 409 };
    expect(problemOf(409, body)).toMatchObject({ message: body.detail, limit: body.limit, session: "abc", status: 409 });
  });

  test("faults are found by field", () => {
    const problem = problemOf(422, { detail: "x", errors: [{ field: "customer_email", message: "bad" }, null, 3] });
    expect(problem.fields.get("customer_email")).toBe("bad");
  });

  test.each([null, "text", [], { detail: 7 }, { errors: "no" }])("a body like %j still gives a sentence", (body) => {
    expect(problemOf(500, body).message).toBe("HTTP 500");
  });
});

describe("live events", () => {
  test("the three kinds are understood", () => {
    expect(parseEvent('{"type":"sessions","sessions":[],"now":"2026-01-01T00:00:00Z"}')?.type).toBe("sessions");
    expect(parseEvent('{"type":"gone","id":"a","now":"2026-01-01T00:00:00Z"}')?.type).toBe("gone");
    expect(parseEvent('{"type":"session","session":{"id":"a"},"now":"2026-01-01T00:00:00Z"}')?.type).toBe("session");
  });

  test.each(["", "{", "null", "[]", '{"type":"gone"}', '{"type":"session"}', '{"type":"news"}', new ArrayBuffer(2)])(
    "%j is passed over",
    (data) => {
      expect(parseEvent(data)).toBeNull();
    },
  );
});
