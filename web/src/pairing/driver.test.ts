import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Backoff } from "../api/backoff";
import { newPending } from "../keeping/preparation";
import { withNewCode, type Pending } from "../keeping/pending";
import { KeyNotKept, PairingDriver, type PairLine, type PairOutcome, type PairSession, type PairingStep } from "./driver";

const SESSION: PairSession = { id: "s", code: 1, tries: 0, max_tries: 5, host: null };
const ONLINE: PairSession = { ...SESSION, host: { online: true } };

/** A relay and a customer in one: each pair stream waits until the test settles it. */
class FakeLine implements PairLine {
  readonly tries: { pending: Pending; step: (step: "checking" | "asking") => void; settle: (o: PairOutcome) => void; fail: (e: Error) => void }[] = [];
  isClosed = false;

  pair(pending: Pending, step: (step: "checking" | "asking") => void, signal: AbortSignal): Promise<PairOutcome> {
    return new Promise((settle, fail) => {
      this.tries.push({ pending, step, settle, fail });
      signal.addEventListener("abort", () => fail(signal.reason as Error));
    });
  }

  close(): void {
    this.isClosed = true;
  }

  get last() {
    const found = this.tries.at(-1);
    if (found === undefined) throw new Error("no pair stream was opened");
    return found;
  }
}

let lines: FakeLine[];
let waits: number[];
let endWait: () => void;
let driver: PairingDriver;
let pending: Pending;
let open: () => Promise<PairLine>;

/** Lets everything run that can run without time passing. */
const settle = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => undefined);
const step = (): PairingStep => driver.state.value.step;
const line = (index: number): FakeLine => lines[index] ?? new FakeLine();

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("navigator", { locks: { request: (_: string, __: object, work: () => Promise<void>) => work() } });
  lines = [];
  waits = [];
  pending = newPending("k7mp-w2xa-9tfe", false, Date.now());
  open = () => {
    const opened = new FakeLine();
    lines.push(opened);
    return Promise.resolve(opened);
  };
  const wait = (seconds: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      waits.push(seconds);
      endWait = resolve;
      signal.addEventListener("abort", () => reject(signal.reason as Error));
    });
  driver = new PairingDriver(SESSION, pending, () => open(), wait, new Backoff(undefined, () => 1));
  void driver.run();
});

afterEach(async () => {
  driver.stop();
  await settle();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the pairing driver", () => {
  test("dials only once the host waits", async () => {
    await settle();
    expect([step(), lines.length]).toEqual(["waiting_host", 0]);
    driver.follow(ONLINE);
    await settle();
    expect([step(), line(0).last.pending.code]).toEqual(["waiting_code", pending.code]);
  });

  test("opens the next stream after a wrong code, one at a time, and says so", async () => {
    driver.follow(ONLINE);
    await settle();
    line(0).last.step("checking");
    expect(step()).toBe("checking");
    line(0).last.settle("wrong_code");
    await settle();
    expect(lines.length).toBe(1);
    expect(line(0).tries.length).toBe(2);
    expect(driver.state.value).toEqual({ step: "waiting_code", fault: "wrong_code", problem: null });
  });

  test("a right code clears the fault, and pairing ends with the line closed when stopped", async () => {
    driver.follow(ONLINE);
    await settle();
    line(0).last.settle("wrong_code");
    await settle();
    line(0).last.step("asking");
    expect(driver.state.value).toEqual({ step: "asking", fault: null, problem: null });
    line(0).last.settle("paired");
    await settle();
    expect(step()).toBe("paired");
    driver.stop();
    await settle();
    expect(line(0).isClosed).toBe(true);
  });

  test("pairs again if the session does not become active", async () => {
    driver.follow(ONLINE);
    await settle();
    line(0).last.settle("paired");
    await settle();
    endWait();
    await settle();
    expect([step(), lines.length]).toEqual(["waiting_code", 2]);
  });

  test("rests on a dead code until another one is shown", async () => {
    driver.follow(ONLINE);
    await settle();
    driver.follow({ ...ONLINE, tries: 5 });
    line(0).last.settle("wrong_code");
    await settle();
    expect([step(), line(0).isClosed]).toEqual(["paused", true]);
    const renewed = withNewCode(pending, 2, Date.now());
    driver.useCode(renewed);
    driver.follow({ ...ONLINE, code: 2, tries: 0 });
    await settle();
    expect(line(1).last.pending.code).toBe(renewed.code);
    expect(driver.state.value.fault).toBeNull();
  });

  test("a code that is over takes its waiting stream along", async () => {
    driver.follow(ONLINE);
    await settle();
    await vi.advanceTimersByTimeAsync(600_000);
    expect([step(), line(0).isClosed]).toEqual(["paused", true]);
  });

  test("a code typed in the last second is seen through", async () => {
    driver.follow(ONLINE);
    await settle();
    line(0).last.step("checking");
    await vi.advanceTimersByTimeAsync(600_000);
    expect([step(), line(0).isClosed]).toEqual(["checking", false]);
    line(0).last.settle("paired");
    await settle();
    expect(step()).toBe("paired");
  });

  test("another code replaces the waiting stream at once", async () => {
    driver.follow(ONLINE);
    await settle();
    const renewed = withNewCode(pending, 1, Date.now());
    driver.useCode(renewed);
    await settle();
    expect(line(0).isClosed).toBe(true);
    expect(line(1).last.pending.code).toBe(renewed.code);
  });

  test("the same code again changes nothing", async () => {
    driver.follow(ONLINE);
    await settle();
    driver.useCode(pending);
    await settle();
    expect([lines.length, line(0).isClosed]).toEqual([1, false]);
  });

  test("a lost relay is tried again with growing waits", async () => {
    open = () => Promise.reject(new Error("no relay"));
    driver.follow(ONLINE);
    await settle();
    expect(step()).toBe("unreachable");
    endWait();
    await settle();
    endWait();
    await settle();
    expect(waits).toEqual([0.5, 0.5, 1]);
  });

  test("a host that goes away is waited for", async () => {
    driver.follow(ONLINE);
    await settle();
    driver.follow(SESSION);
    line(0).last.settle("host_offline");
    await settle();
    endWait();
    await settle();
    expect([step(), line(0).isClosed]).toEqual(["waiting_host", true]);
  });

  test("a browser that keeps no keys is said so, and costs no further tries", async () => {
    driver.follow(ONLINE);
    await settle();
    line(0).last.fail(new KeyNotKept("disk full"));
    await settle();
    expect(driver.state.value.problem).toBe("disk full");
    expect([lines.length, waits.length]).toEqual([1, 0]);
  });

  test("stopping ends everything", async () => {
    driver.follow(ONLINE);
    await settle();
    driver.stop();
    await settle();
    driver.follow(ONLINE);
    await settle();
    expect([lines.length, line(0).isClosed]).toEqual([1, true]);
  });
});
