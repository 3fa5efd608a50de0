import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BLOB_BYTES, readLink } from "../protocol/linkBlob";
import { LinkError } from "../protocol/links";
import { utf8 } from "../protocol/bytes";
import { toHex } from "../text/hex";
import { CannotFetch, fetchHost, type Progress } from "./fetching";
import { addLink } from "./saving";

const PAUSES = [0, 0, 0];
const FILE = new Uint8Array(10_000 + BLOB_BYTES).map((_, place) => (place < 10_000 ? place % 251 : 0));
FILE.set(utf8("ADHOC-LINK-BLOB1"), 10_000);
const host = { size: FILE.length, sha256: "", blob: { offset: 10_000, size: BLOB_BYTES } };

/** What the relay does with each request; those behind the last are answered like it. */
type Answer = (range: string | null) => Response | Promise<Response>;
let asked: (string | null)[] = [];

function relayThat(...answers: Answer[]): void {
  vi.stubGlobal("fetch", (_: string, { headers }: { headers: Record<string, string> }) => {
    const range = headers["range"] ?? null;
    if (range !== null) expect(headers["if-range"]).toBe(`"${host.sha256}"`);
    asked.push(range);
    return Promise.resolve((answers[asked.length - 1] ?? answers.at(-1))?.(range));
  });
}

/** Sends these bytes, and then breaks. */
function broken(data: Uint8Array, status = 200): Response {
  let isSent = false;
  const body = new ReadableStream({
    pull(controller) {
      if (isSent) controller.error(new TypeError("network error"));
      else controller.enqueue(data);
      isSent = true;
    },
  });
  return new Response(body, { status });
}

const whole: Answer = () => new Response(FILE);
const rest: Answer = (range) => {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]);
  return new Response(FILE.slice(from), { status: 206 });
};

beforeEach(async () => {
  host.sha256 = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", FILE)));
  asked = [];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function faultOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: unknown) => (error instanceof CannotFetch ? error.fault : String(error)),
  );
}

test("a file that comes whole is the file, and its progress is told", async () => {
  relayThat(whole);
  const told: Progress[] = [];
  expect(await fetchHost("/d/A/x", host, (progress) => told.push(progress), PAUSES)).toEqual(FILE);
  expect(told.at(-1)).toEqual({ received: FILE.length, isAgain: false });
  expect(asked).toEqual([null]);
});

test("a broken connection is taken up where it broke, and says so", async () => {
  relayThat(() => broken(FILE.slice(0, 4000)), () => broken(FILE.slice(4000, 4001), 206), rest);
  const told: Progress[] = [];
  expect(await fetchHost("/d/A/x", host, (progress) => told.push(progress), PAUSES)).toEqual(FILE);
  expect(asked).toEqual([null, "bytes=4000-", "bytes=4001-"]);
  expect(told).toContainEqual({ received: 4000, isAgain: true });
});

test("a relay that sends the whole again is not misread", async () => {
  relayThat(() => broken(FILE.slice(0, 4000)), whole);
  expect(await fetchHost("/d/A/x", host, () => undefined, PAUSES)).toEqual(FILE);
});

test.each([
  ["a network that never comes back", () => Promise.reject(new TypeError("network error")), "broken", 4],
  ["a relay that is starting", () => new Response("", { status: 503 }), "broken", 4],
  ["a link that ended", () => new Response("", { status: 404 }), "gone", 1],
  ["a file that is longer", () => new Response(new Uint8Array(FILE.length + 1)), "gone", 1],
  ["a file that ends early", () => new Response(FILE.slice(0, 50)), "broken", 4],
  ["another file of the same size", () => new Response(new Uint8Array(FILE.length)), "damaged", 2],
] satisfies [string, Answer, string, number][])("%s is told as such", async (_, answer, fault, tries) => {
  relayThat(answer);
  expect(await faultOf(fetchHost("/d/A/x", host, () => undefined, PAUSES))).toBe(fault);
  expect(asked.length).toBe(tries);
});

test("one damaged copy is fetched again from the beginning", async () => {
  relayThat(() => new Response(new Uint8Array(FILE.length)), whole);
  expect(await fetchHost("/d/A/x", host, () => undefined, PAUSES)).toEqual(FILE);
  expect(asked).toEqual([null, null]);
});

test("a connection that falls silent counts as broken", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("fetch", (_: string, { signal }: { signal: AbortSignal }) => {
    asked.push(null);
    return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted"))));
  });
  const fetched = faultOf(fetchHost("/d/A/x", host, () => undefined, [0]));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(await fetched).toBe("broken");
  expect(asked.length).toBe(2);
});

test("the link goes into its place, and nothing else changes", () => {
  const file = FILE.slice();
  addLink(file, host, "https://relay.example/d/A#B.C");
  expect(readLink(file)).toBe("https://relay.example/d/A#B.C");
  expect(file.slice(0, 10_000)).toEqual(FILE.slice(0, 10_000));
  expect(() => addLink(FILE.slice(), { blob: { offset: 3, size: BLOB_BYTES } }, "x")).toThrow(LinkError);
  expect(() => addLink(FILE.slice(), { blob: { offset: 10_000, size: 20 } }, "longer")).toThrow(LinkError);
});
