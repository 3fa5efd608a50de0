/**
 * What is to be copied: jobs of many files, one after the other. A job finds out first what it has to do, then does it:
 * large files one by one on a stream of their own, small ones many at a time on another, so that a tree of thousands does
 * not wait for each answer. While there is no connection a job waits; what was under way is begun again, and goes on
 * where it was.
 */
import { computed, signal } from "@preact/signals";
import { ProtocolError } from "../protocol/errors";
import { RequestRefused, Requests } from "../tools/requests";
import type { PlainKey } from "../i18n/text";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";
import { FilesClient } from "./client";
import { LocalProblem } from "./workerLink";

/** One file of a job. */
export interface Task {
  /** What to call it. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** @throws RequestRefused, LocalProblem: this file failed; StreamClosed: all of the stream did. */
  run(client: FilesClient, progress: (bytes: number) => void, signal: AbortSignal): Promise<void>;
}

/** What a job does. */
export interface Work {
  readonly direction: "up" | "down" | "both";
  readonly title: string;
  /** Finds the tasks, and makes the folders they need; may be called again after an interruption. */
  tasks(client: FilesClient): AsyncIterable<Task>;
  /** What has the name of something that is copied: replaced, or left as it is. */
  readonly overwrite: boolean;
  /** What there is to say of it besides, in a sentence that follows; and a look at each thing. */
  readonly more?: { summary(): string; open(): void };
}

/** A file that did not arrive, and why. */
export interface JobProblem {
  readonly name: string;
  readonly why: PlainKey;
}

export interface JobProgress {
  readonly files: number;
  readonly filesDone: number;
  /** Files that were there already and were left. */
  readonly skipped: number;
  readonly bytes: number;
  readonly bytesDone: number;
  /** Bytes a second over the last seconds; null while that is not known. */
  readonly rate: number | null;
}

/** `waiting`: for its turn or for the computer. */
export type JobState = "waiting" | "counting" | "running" | "paused" | "done" | "cancelled";

/** Of one job; more is given up at the count. */
export const MAX_TASKS = 200_000;
/** Kept word for word; those after it are only counted. */
export const MAX_PROBLEMS = 500;
/** Files up to this go many at a time, bytes. */
const SMALL_BYTES = 256 * 1024;
const SMALL_AT_ONCE = 24;
const LARGE_AT_ONCE = 2;
const RATE_OVER_MS = 3000;
const AGAIN_AFTER_MS = 2000;
const GIVE_UP_MS = 1000;
/** Runs in a row that brought nothing, after which a job is given up. */
const MAX_VAIN_RUNS = 5;

const LOCAL_PROBLEMS: Readonly<Record<string, PlainKey>> = {
  exists: "problem_exists",
  QuotaExceededError: "local_full",
  NotAllowedError: "local_denied",
  NoModificationAllowedError: "local_busy",
  NotFoundError: "local_missing",
  NotReadableError: "local_changed",
  TypeMismatchError: "problem_exists",
  TypeError: "local_bad_name",
  sync_changed: "sync_changed",
  sync_too_many: "sync_too_many",
  too_many: "local_too_many",
  same_name: "local_same_name",
  sync_too_deep: "problem_too_deep",
};

/** What went wrong with one file, for people. */
export function sentenceOfProblem(error: unknown): PlainKey {
  if (error instanceof RequestRefused) return error.sentence;
  if (error instanceof LocalProblem) return LOCAL_PROBLEMS[error.name] ?? "local_failed";
  return "problem_cut";
}

export class Job {
  readonly state = signal<JobState>("waiting");
  readonly problems = signal<readonly JobProblem[]>([]);
  readonly problemCount = signal(0);
  readonly progress = signal<JobProgress>({ files: 0, filesDone: 0, skipped: 0, bytes: 0, bytesDone: 0, rate: null });
  readonly isOver = computed(() => this.state.value === "done" || this.state.value === "cancelled");
  #tasks: Task[] | null = null;
  readonly #left = new Set<Task>();
  readonly #partly = new Map<Task, number>();
  #doneBytes = 0;
  #skipped = 0;
  #samples: { at: number; bytes: number }[] = [];
  #stop = new AbortController();
  #vainRuns = 0;

  constructor(
    readonly id: number,
    readonly work: Work,
  ) {}

  pause(): void {
    if (this.isOver.peek() || this.state.peek() === "paused") return;
    this.state.value = "paused";
    this.#stop.abort();
  }

  /** Goes on after a pause. */
  resume(): void {
    if (this.state.peek() === "paused") this.state.value = "waiting";
  }

  cancel(): void {
    if (this.isOver.peek()) return;
    this.state.value = "cancelled";
    this.#stop.abort();
  }

  /**
   * Works until the job is over, is paused, or the connection fails; never throws.
   *
   * @param open gives a stream of the File Manager.
   */
  async run(open: () => Promise<SealedChannel>): Promise<void> {
    this.#stop = new AbortController();
    const before = this.progress.peek().bytesDone + this.progress.peek().filesDone;
    const streams = new Streams(open);
    // A pause keeps what is there of each file. Whoever gives a job up gives its transfers a moment to say so.
    this.#stop.signal.addEventListener("abort", () => {
      if (this.state.peek() === "cancelled") setTimeout(() => streams.close(), GIVE_UP_MS);
      else streams.close();
    });
    try {
      if (this.#tasks === null) {
        this.state.value = "counting";
        await this.#count(await streams.client());
      }
      this.state.value = "running";
      await this.#work(streams);
      if (this.#left.size === 0) this.state.value = "done";
    } catch (error) {
      const { aborted } = this.#stop.signal;
      if (!aborted && (error instanceof RequestRefused || error instanceof LocalProblem)) {
        // What was to be copied cannot even be looked at.
        this.#note(this.work.title, error);
        this.state.value = "done";
      } else if (!aborted && !(error instanceof StreamClosed) && !(error instanceof ProtocolError)) {
        this.state.value = "cancelled";
        throw error;
      } else if (!aborted) {
        const now = this.progress.peek().bytesDone + this.progress.peek().filesDone;
        this.#vainRuns = now > before ? 0 : this.#vainRuns + 1;
        if (this.#vainRuns >= MAX_VAIN_RUNS) {
          this.#note(this.work.title, error);
          this.state.value = "done";
        }
      }
    } finally {
      streams.close();
      if (this.state.peek() === "running" || this.state.peek() === "counting") this.state.value = "waiting";
      this.#samples = [];
      this.#tell();
    }
  }

  async #count(client: FilesClient): Promise<void> {
    const found: Task[] = [];
    let bytes = 0;
    for await (const task of this.work.tasks(client)) {
      this.#stop.signal.throwIfAborted();
      if (found.length >= MAX_TASKS) throw new LocalProblem("too_many");
      found.push(task);
      bytes += task.size;
      this.progress.value = { ...this.progress.peek(), files: found.length, bytes };
    }
    this.#tasks = found;
    for (const task of found) this.#left.add(task);
    this.#tell();
  }

  /** Both kinds at once; one that fails ends both. */
  async #work(streams: Streams): Promise<void> {
    const inTurn = [...this.#left].reverse(); // they are taken from the end
    const small = inTurn.filter((task) => task.size <= SMALL_BYTES);
    const large = inTurn.filter((task) => task.size > SMALL_BYTES);
    const lane = async (tasks: Task[], opened: Promise<FilesClient>): Promise<void> => {
      const client = await opened;
      for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) await this.#do(task, client);
    };
    const lanes: Promise<void>[] = [];
    const shared = small.length > 0 ? streams.client() : null;
    for (let n = 0; shared !== null && n < Math.min(SMALL_AT_ONCE, small.length); n++) lanes.push(lane(small, shared));
    for (let n = 0; n < Math.min(LARGE_AT_ONCE, large.length); n++) lanes.push(lane(large, streams.client()));
    try {
      await Promise.all(lanes);
    } catch (error) {
      streams.close();
      await Promise.allSettled(lanes);
      throw error;
    }
  }

  async #do(task: Task, client: FilesClient): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const progress = (bytes: number): void => {
      this.#partly.set(task, bytes);
      this.#tell();
    };
    try {
      await task.run(client, progress, this.#stop.signal);
    } catch (error) {
      const isOfFile = error instanceof RequestRefused || error instanceof LocalProblem;
      if (!isOfFile || this.#stop.signal.aborted) throw error;
      if (!this.work.overwrite && sentenceOfProblem(error) === "problem_exists") this.#skipped += 1;
      else this.#note(task.name, error);
    }
    this.#partly.delete(task);
    this.#left.delete(task);
    this.#doneBytes += task.size;
    this.#tell();
  }

  #note(name: string, error: unknown): void {
    this.problemCount.value += 1;
    if (this.problems.peek().length >= MAX_PROBLEMS) return;
    this.problems.value = [...this.problems.peek(), { name, why: sentenceOfProblem(error) }];
  }

  #tell(): void {
    const files = this.#tasks?.length ?? this.progress.peek().files;
    const bytesDone = this.#doneBytes + [...this.#partly.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.progress.value = {
      files,
      filesDone: this.#tasks === null ? 0 : files - this.#left.size,
      skipped: this.#skipped,
      bytes: this.progress.peek().bytes,
      bytesDone,
      rate: this.#rate(bytesDone),
    };
  }

  #rate(bytes: number): number | null {
    const at = performance.now();
    if (this.state.peek() !== "running") return null;
    this.#samples.push({ at, bytes });
    while (this.#samples.length > 2 && (this.#samples[1]?.at ?? at) < at - RATE_OVER_MS) this.#samples.shift();
    const first = this.#samples[0];
    return first === undefined || at - first.at < 500 ? this.progress.peek().rate : ((bytes - first.bytes) / (at - first.at)) * 1000;
  }
}

/** All jobs of a page, one at work at a time, in their order. */
export class Jobs {
  readonly list = signal<readonly Job[]>([]);
  /** Called after a job has come to its end. */
  onDone: (job: Job) => void = () => undefined;
  #open: (() => Promise<SealedChannel>) | null = null;
  #isWorking = false;
  #lastId = 0;

  add(work: Work): Job {
    this.#lastId += 1;
    const job = new Job(this.#lastId, work);
    this.list.value = [...this.list.peek(), job];
    void this.#work();
    return job;
  }

  resume(job: Job): void {
    job.resume();
    void this.#work();
  }

  /** Takes jobs that are over from the list. */
  tidy(): void {
    this.list.value = this.list.peek().filter((job) => !job.isOver.peek());
  }

  /** There is a connection now; null: there is none. */
  connect(open: (() => Promise<SealedChannel>) | null): void {
    this.#open = open;
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    try {
      for (;;) {
        const open = this.#open;
        const job = this.list.peek().find((each) => each.state.peek() === "waiting");
        if (open === null || job === undefined) return;
        await job.run(open);
        if (job.isOver.peek()) this.onDone(job);
        // A stream failed under it. Mostly all of the connection did, and `connect` says so in a moment.
        else if (job.state.peek() === "waiting") await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER_MS));
      }
    } finally {
      this.#isWorking = false;
    }
  }
}

/** The streams of one run. */
class Streams {
  readonly #requests: Requests[] = [];
  #isClosed = false;

  constructor(private readonly open: () => Promise<SealedChannel>) {}

  async client(): Promise<FilesClient> {
    const requests = new Requests(await this.open());
    this.#requests.push(requests);
    if (this.#isClosed) requests.close();
    return new FilesClient(requests);
  }

  close(): void {
    this.#isClosed = true;
    for (const requests of this.#requests) requests.close();
  }
}
