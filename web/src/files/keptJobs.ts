/**
 * Jobs outlive their tab: what they were asked to do is kept in this browser's IndexedDB until they are over, and shown in
 * the next tab of the session. There is no secret in it: names, times and sizes of what is copied, and handles of folders,
 * which are of no use to a page before the person allows it again. It goes with the session.
 *
 * A tab holds a lock for each of its jobs, which ends with the tab, however it ends. So a job that nobody holds is one that
 * was left.
 */
import { signal, type ReadonlySignal } from "@preact/signals";
import { OneStore } from "../keeping/database";
import type { Order } from "./orders";

const JOBS = new OneStore("adhoc-jobs", "jobs");
/** Of one session; who leaves more behind sees the newest. */
const MAX_KEPT = 100;

export interface KeptJob {
  readonly id: string;
  readonly session: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly title: string;
  readonly overwrite: boolean;
  readonly order: Order;
}

export class KeptJobs {
  /** Jobs that other tabs have left, the oldest first. */
  readonly left = signal<readonly KeptJob[]>([]);
  readonly #held = new Map<string, () => void>();

  constructor(readonly session: string) {}

  /** Keeps what a job was asked to do, as long as it is not over. Where the browser keeps nothing, that is all there is. */
  async keep(title: string, overwrite: boolean, order: Order): Promise<string> {
    const kept: KeptJob = { id: crypto.randomUUID(), session: this.session, at: Date.now(), title, overwrite, order };
    await this.#hold(kept.id);
    await JOBS.ask("readwrite", (store) => store.put(kept, kept.id)).catch(() => undefined);
    return kept.id;
  }

  /** The job is over, or nobody wants it any more. */
  async forget(id: string): Promise<void> {
    this.left.value = this.left.peek().filter((each) => each.id !== id);
    await JOBS.ask("readwrite", (store) => store.delete(id)).catch(() => undefined);
    this.#held.get(id)?.();
    this.#held.delete(id);
  }

  /** Takes over a job that was left; false if another tab was quicker. */
  async takeOver(id: string): Promise<boolean> {
    const isOurs = await this.#hold(id);
    this.left.value = this.left.peek().filter((each) => each.id !== id);
    return isOurs;
  }

  /** Keeps a job as long as it is not over; `before` is what another tab has left of it. */
  async keepUntil(isOver: ReadonlySignal<boolean>, title: string, overwrite: boolean, order: Order, before?: KeptJob): Promise<void> {
    const id = before?.id ?? (await this.keep(title, overwrite, order));
    isOver.subscribe((over) => {
      if (over) void this.forget(id);
    });
  }

  /** Looks for jobs that were left. */
  async look(): Promise<void> {
    try {
      const kept = ((await JOBS.ask("readonly", (store) => store.getAll())) as KeptJob[]).filter((each) => this.#isMine(each));
      const held = await heldLocks();
      const left = kept.filter(({ id }) => !held.has(lockOf(id)));
      this.left.value = left.sort((a, b) => a.at - b.at).slice(-MAX_KEPT);
    } catch {
      // Nothing is kept here.
    }
  }

  /** Lets go of all: what is not over is left. */
  close(): void {
    for (const release of this.#held.values()) release();
    this.#held.clear();
  }

  #isMine(kept: KeptJob): boolean {
    return kept.session === this.session && !this.#held.has(kept.id);
  }

  /** Resolves to whether this tab has the lock now. */
  #hold(id: string): Promise<boolean> {
    return new Promise((resolve) => {
      const held = navigator.locks.request(lockOf(id), { ifAvailable: true }, (lock) => {
        resolve(lock !== null);
        if (lock === null) return undefined;
        return new Promise<void>((release) => this.#held.set(id, release));
      });
      held.catch(() => resolve(false));
    });
  }
}

/** Forgets what belongs to sessions that are over. */
export async function forgetKeptJobs(isOver: (session: string) => Promise<boolean>): Promise<void> {
  const over = new Map<string, boolean>();
  for (const { id, session } of (await JOBS.ask("readonly", (store) => store.getAll())) as KeptJob[]) {
    if (!over.has(session)) over.set(session, await isOver(session));
    if (over.get(session) === true) await JOBS.ask("readwrite", (store) => store.delete(id));
  }
}

const lockOf = (id: string): string => `adhoc-job-${id}`;

async function heldLocks(): Promise<ReadonlySet<string>> {
  const { held } = await navigator.locks.query();
  return new Set((held ?? []).map(({ name }) => name ?? ""));
}
