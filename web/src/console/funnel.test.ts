import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Session } from "../api/types";
import { LANGUAGES, textIn, type Key } from "../i18n/text";
import { funnelOf } from "./funnel";

type Facts = Pick<Session, "funnel" | "mail" | "state">;

/** The stages as `step:progress`; each step was reached a minute after the one before. */
function told(steps: readonly string[], part: Partial<Facts> = {}): string[] {
  const funnel = steps.map((step, minute) => ({ step, at: `2026-01-01T00:0${minute}:00Z` }));
  return funnelOf({ funnel, mail: null, state: "prepared", ...part }).map(({ step, progress }) => `${step}:${progress}`);
}

const mail = (state: "waiting" | "failed" | "sent") => ({ state, detail: "550 no such user", attempts: 2, at: "2026-01-01T00:09:00Z" });

describe("the funnel", () => {
  test("begins with the link that is to be opened", () => {
    expect(told([])).toEqual([
      "link_opened:current",
      "host_downloaded:pending",
      "started:pending",
      "waiting_code:pending",
      "active:pending",
      "first_picture:pending",
    ]);
  });

  test("what was passed by without being seen is left out", () => {
    expect(told(["mail_accepted", "started"])).toEqual([
      "mail_accepted:done",
      "started:done",
      "waiting_code:current",
      "active:pending",
      "first_picture:pending",
    ]);
  });

  test("waiting for the code is now, not done", () => {
    expect(told(["link_opened", "started", "waiting_code"], { state: "waiting" })).toContain("waiting_code:current");
  });

  test("asking for rights is shown only where it happens", () => {
    expect(told(["started", "asking_rights"])).toContain("asking_rights:current");
    expect(told(["started", "asking_rights", "waiting_code"])).toContain("asking_rights:done");
  });

  test("wrong codes stand before the activation, with the time of the last", () => {
    const steps = ["waiting_code", "wrong_code", "wrong_code"];
    expect(told(steps).slice(0, 3)).toEqual(["waiting_code:current", "wrong_code:failed", "active:pending"]);
    const funnel = steps.map((step, minute) => ({ step, at: `2026-01-01T00:0${minute}:00Z` }));
    const wrong = funnelOf({ funnel, mail: null, state: "waiting" }).find(({ step }) => step === "wrong_code");
    expect(wrong?.at).toBe("2026-01-01T00:02:00Z");
    expect(told([...steps, "active"], { state: "active" })).toContain("wrong_code:done");
  });

  test("a mail that fails, waits, or was accepted after all", () => {
    expect(told(["mail_failed"], { mail: mail("failed") })[0]).toBe("mail_failed:failed");
    expect(told(["mail_failed"], { mail: mail("waiting") })[0]).toBe("mail_waiting:current");
    expect(told(["mail_failed", "mail_accepted"], { mail: mail("sent") })[0]).toBe("mail_accepted:done");
  });

  test("what kept the program from beginning stands before what is still to come", () => {
    expect(told(["link_opened", "host_downloaded", "refused_clock"])).toEqual([
      "link_opened:done",
      "host_downloaded:done",
      "refused_clock:failed",
      "started:current",
      "waiting_code:pending",
      "active:pending",
      "first_picture:pending",
    ]);
    expect(told(["refused_managed_host"], { state: "ended" })).toEqual(["refused_managed_host:failed"]);
  });

  test("a refusal is over once a host has joined", () => {
    expect(told(["refused_clock", "started"])).toContain("refused_clock:done");
    expect(told(["started", "refused_clock"])).toContain("refused_clock:failed");
    expect(told(["started", "refused_clock"], { state: "waiting" })).toContain("refused_clock:done");
  });

  test("refusals that this page does not know are left out", () => {
    expect(told(["refused_something_new"], { state: "ended" })).toEqual([]);
  });

  test("an ended session has nothing more to come", () => {
    expect(told(["link_opened", "started"], { state: "ended" })).toEqual(["link_opened:done", "started:done"]);
  });
});

test("for each reason of a host the funnel has a line and a piece of advice, in each language", () => {
  const source = readFileSync(new URL("../../../relay/protocol/refusals.py", import.meta.url), "utf8");
  const codes = [...source.matchAll(/^ {4}[A-Z_]+ = "([a-z_]+)"$/gm)].map(([, code]) => code);
  expect(codes.length).toBe(9);
  for (const code of codes) {
    for (const word of [`step_refused_${code}`, `advice_refused_${code}`]) {
      const [english, ...others] = LANGUAGES.map((language) => textIn(language, word as Key & "customer_refused"));
      expect(english, word).toMatch(/^[A-Z]/);
      for (const other of others) expect(other, word).not.toBe(english);
    }
  }
});
