/** The page's end of `fileWorker.ts`. */
import type { Bytes } from "../protocol/bytes";
import workerUrl from "./fileWorker.ts?worker&url";

interface Requests {
  open: { session: string; name: string };
  append: { data: Bytes };
  restart: object;
  hash: { data: Bytes };
  digest: object;
  close: object;
  remove: { session: string; name: string };
}

/** `id` names a file under way, `call` the one answer to this request. */
export type WorkerRequest = { [K in keyof Requests]: { call: number; id: number; op: K } & Requests[K] }[keyof Requests];

export interface WorkerAnswer {
  readonly call: number;
  readonly value?: unknown;
  /** The name of what was thrown. */
  readonly error?: string;
}

/** This computer's side of a transfer failed; `name` is the browser's word, for instance `QuotaExceededError`. */
export class LocalProblem extends Error {
  constructor(override readonly name: string) {
    super(name);
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class WorkerLink {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastCall = 0;
  #lastId = 0;

  constructor() {
    this.#worker = new Worker(trustedUrl(), { type: "module", name: "files" });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => {
      const waiting = this.#waiting.get(data.call);
      this.#waiting.delete(data.call);
      if (data.error === undefined) waiting?.resolve(data.value);
      else waiting?.reject(new LocalProblem(data.error));
    };
    this.#worker.onerror = () => {
      for (const { reject } of this.#waiting.values()) reject(new LocalProblem("WorkerError"));
      this.#waiting.clear();
    };
  }

  /** Ends the worker; parts stay. */
  close(): void {
    this.#worker.terminate();
  }

  /** A SHA-256 that is fed piece by piece. */
  hash(): RunningHash {
    return new RunningHash(this, (this.#lastId += 1));
  }

  /** Opens a download's part, with what an earlier attempt left. */
  async openPart(session: string, name: string): Promise<Part> {
    const id = (this.#lastId += 1);
    const size = (await this.call({ op: "open", id, session, name })) as number;
    return new Part(this, id, name, size);
  }

  async removePart(session: string, name: string): Promise<void> {
    await this.call({ op: "remove", id: 0, session, name });
  }

  /** For the classes below: one request and its answer. @throws LocalProblem. */
  call(request: DistributiveOmit<WorkerRequest, "call">): Promise<unknown> {
    const call = (this.#lastCall += 1);
    const moved = request.op === "hash" || request.op === "append" ? [request.data.buffer] : [];
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#worker.postMessage({ ...request, call }, moved);
    });
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A SHA-256 under way. Closed by `close`. */
export class RunningHash {
  constructor(
    protected readonly link: WorkerLink,
    protected readonly id: number,
  ) {}

  /** Feeds a buffer, which is of no use meanwhile; resolves to the same bytes. */
  async update(data: Bytes): Promise<Bytes> {
    return (await this.link.call({ op: "hash", id: this.id, data })) as Bytes;
  }

  /** Of all that was fed so far, 32 bytes. */
  async digest(): Promise<Bytes> {
    return (await this.link.call({ op: "digest", id: this.id })) as Bytes;
  }

  async close(): Promise<void> {
    await this.link.call({ op: "close", id: this.id });
  }
}

/** What there is of a file that is being fetched. Closed by `close`; it stays on the disk until `removePart`. */
export class Part extends RunningHash {
  constructor(
    link: WorkerLink,
    id: number,
    readonly name: string,
    public size: number,
  ) {
    super(link, id);
  }

  /**
   * Writes on; the buffer of `data`, which holds nothing else, is gone afterwards.
   *
   * @throws LocalProblem, for instance when the disk is full.
   */
  async append(data: Bytes): Promise<void> {
    const size = data.length;
    await this.link.call({ op: "append", id: this.id, data });
    this.size += size;
  }

  async restart(): Promise<void> {
    await this.link.call({ op: "restart", id: this.id });
    this.size = 0;
  }
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): { createScriptURL(url: string): string };
}

/** The one script that a worker may run, as the Content-Security-Policy wants it. */
function trustedUrl(): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (trustedTypes === undefined) return workerUrl;
  policy ??= trustedTypes.createPolicy("adhoc-file-worker", {
    createScriptURL: (url) => {
      if (url !== workerUrl) throw new TypeError("No other script may run in a worker.");
      return url;
    },
  });
  return policy.createScriptURL(workerUrl);
}

let policy: ReturnType<TrustedTypes["createPolicy"]> | null = null;
