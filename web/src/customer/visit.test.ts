import { afterEach, expect, test, vi } from "vitest";
import { ApiProblem, Unreachable, api } from "../api/client";
import type { LinkFacts, Receipt } from "../api/types";
import { isHandheld, readAddress, visit } from "./visit";

const INVITE = "AAECAwQFBgcICQoLDA0ODw";
const HASH = "#AAAAAAAAAAAAAAAAAAAAAA.k7mp-w2xa-9tfe";
const at = (hash: string, pathname = `/d/${INVITE}`) => ({ origin: "http://relay.lan:8080", pathname, hash });

test("a complete address gives the whole link", () => {
  expect(readAddress(at(HASH))).toEqual({ invite: INVITE, link: `http://relay.lan:8080/d/${INVITE}${HASH}` });
});

test.each(["", "#", "#AAAAAAAAAAAAAAAAAAAAAA", "#AAAAAAAAAAAAAAAAAAAAAA.", "#short.password", "#AAAAAAAAAAAAAAAAAAAAAA.%zz"])(
  "with the fragment %j something is missing",
  (hash) => {
    expect(readAddress(at(hash))).toBeNull();
  },
);

test("a link cut before its fragment is incomplete too", () => {
  expect(readAddress(at(HASH, "/d/short"))).toBeNull();
});

test.each([
  ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", 5, true],
  ["Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile", 5, true],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", 5, true],
  ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", 0, false],
  ["Mozilla/5.0 (X11; Linux x86_64)", 10, false],
  ["Mozilla/5.0 (Windows NT 10.0; Win64; x64)", 10, false],
])("%s with %d touch points: handheld %s", (userAgent, maxTouchPoints, expected) => {
  expect(isHandheld({ userAgent, maxTouchPoints })).toBe(expected);
});

afterEach(() => vi.restoreAllMocks());

const facts = { state: "open", company: "Acme" } as LinkFacts;

test("an open link is told to the relay, a used one is not", async () => {
  const link = vi.spyOn(api, "link").mockResolvedValue(facts);
  const opened = vi.spyOn(api, "linkOpened").mockResolvedValue(null);
  expect(await visit(at(HASH))).toMatchObject({ kind: "open", invite: INVITE, facts });
  expect(opened).toHaveBeenCalledOnce();
  link.mockResolvedValue({ ...facts, state: "used" });
  expect(await visit(at(HASH))).toMatchObject({ kind: "used", invite: INVITE });
  expect(opened).toHaveBeenCalledOnce();
});

test("after the end there is a receipt; later, or without a session, nothing", async () => {
  vi.spyOn(api, "link").mockRejectedValue(new ApiProblem(404, "No."));
  const asked = vi.spyOn(api, "linkReceipt").mockResolvedValue({ company: "Acme" } as Receipt);
  expect(await visit(at(HASH))).toEqual({ kind: "ended", receipt: { company: "Acme" } });
  asked.mockRejectedValue(new ApiProblem(404, "No."));
  expect(await visit(at(HASH))).toEqual({ kind: "lapsed" });
  asked.mockRejectedValue(new Unreachable());
  expect(await visit(at(HASH))).toEqual({ kind: "offline" });
});
