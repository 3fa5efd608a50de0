/**
 * Requests to a tool of the host on one stream, and their answers (docs/protocol.md §8): strictly one after the other,
 * though the next may be asked before the last is answered.
 */
import type { PlainKey } from "../i18n/text";
import { CloseReason } from "../protocol/closeReasons";
import { ProtocolError, RemoteProtocolError } from "../protocol/errors";
import { MessageDecoder, MessageFields, encodeMessage, type Message } from "../protocol/messages";
import type { SealedChannel } from "../tunnel/sealedChannel";
import { StreamClosed } from "../tunnel/streams";

/** The host's words for what went wrong, each with its sentence. */
const SENTENCES = {
  missing: "problem_missing",
  denied: "problem_denied",
  outside: "problem_outside",
  other_disk: "problem_other_disk",
  exists: "problem_exists",
  not_empty: "problem_not_empty",
  is_folder: "problem_is_folder",
  too_deep: "problem_too_deep",
  full: "problem_full",
  too_large: "problem_too_large",
  bad_name: "problem_bad_name",
  busy: "problem_busy",
  broken: "problem_broken",
  changed: "problem_changed",
  no_trash: "problem_no_trash",
  dropped: "problem_dropped",
  bad_value: "problem_bad_value",
  own: "problem_own",
  unavailable: "problem_unavailable",
  declined: "problem_declined",
  no_return: "problem_no_return",
  other: "problem_other",
  failed: "problem_failed",
} as const satisfies Readonly<Record<string, PlainKey>>;

export type ProblemCode = keyof typeof SENTENCES;

/** The host could not do one request; everything else goes on. */
export class RequestRefused extends Error {
  readonly code: ProblemCode;

  /** `code` as the host says it: an unknown one reads `failed`. `detail` is the host's words, untrusted. */
  constructor(
    code: string,
    readonly detail = "",
  ) {
    super(code);
    this.name = "RequestRefused";
    this.code = Object.hasOwn(SENTENCES, code) ? (code as ProblemCode) : "failed";
  }

  get sentence(): PlainKey {
    return SENTENCES[this.code];
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** What one answer's reader does with each part of it; what it waits for holds the host up. */
export type OnPart = (part: Message) => void | Promise<void>;

/** Adds up an answer in parts: a host may tell without end. */
export class Extent {
  #items = 0;
  #bytes = 0;

  constructor(
    private readonly maxItems: number,
    private readonly maxBytes: number,
  ) {}

  /** Takes in a part with so many things. @throws RemoteProtocolError if it is too much, or there are none in it. */
  add({ headBytes }: Message, items: number): void {
    this.#items += items;
    this.#bytes += headBytes;
    // A part with nothing in it tells nothing: whoever sends one can send them without end.
    if (items === 0 || this.#items > this.maxItems || this.#bytes > this.maxBytes) {
      throw new RemoteProtocolError("An answer without end.");
    }
  }
}

interface Waiting {
  readonly id: number;
  readonly onPart: OnPart;
  readonly resolve: (ok: Message) => void;
  readonly reject: (error: Error) => void;
}

export class Requests {
  readonly #waiting: Waiting[] = [];
  #lastId = 0;
  #closed: Error | null = null;

  /** Takes over a stream that was just proven. */
  constructor(private readonly channel: SealedChannel) {
    void this.#listen();
  }

  /** Settles when the stream is closed; never rejects. */
  get closed(): Promise<CloseReason> {
    return this.channel.closed;
  }

  get isClosed(): boolean {
    return this.#closed !== null;
  }

  /**
   * Asks, and resolves to the answer's last message, the one with `ok`.
   *
   * @param onPart is given the ones before it; an answer with parts that nobody takes breaks the protocol.
   * @throws RequestRefused if the host could not do it; StreamClosed if the stream was closed before, also because what
   *   came was no answer; whatever `onPart` throws, which closes the stream.
   */
  ask(op: string, fields: Fields = {}, onPart: OnPart = refusePart, body?: Uint8Array): Promise<Message> {
    return this.begin(op, fields, onPart, body).done;
  }

  /** The same for a request that goes on with further messages of ours, which carry its `id` (`send`). */
  begin(op: string, fields: Fields, onPart: OnPart, body?: Uint8Array): { id: number; done: Promise<Message> } {
    this.#lastId += 1;
    const id = this.#lastId;
    if (this.#closed !== null) return { id, done: Promise.reject(this.#closed) };
    const done = new Promise<Message>((resolve, reject) => this.#waiting.push({ id, onPart, resolve, reject }));
    this.send({ id, op, ...fields }, body).catch(() => undefined); // the stream is closed: `done` says so
    return { id, done };
  }

  /** Sends one message; resolves when it is on its way. @throws StreamClosed. */
  send(head: Fields, body?: Uint8Array): Promise<void> {
    return this.channel.send(encodeMessage(head, body));
  }

  close(reason: CloseReason = CloseReason.DONE): void {
    this.channel.close(reason);
  }

  async #listen(): Promise<void> {
    const decoder = new MessageDecoder();
    try {
      for (;;) {
        const data = await this.channel.receive();
        if (data === null) {
          if (!decoder.isBetweenMessages) throw new RemoteProtocolError("The stream ended inside a message.");
          throw new StreamClosed(CloseReason.DONE);
        }
        for (const message of decoder.feed(data)) await this.#take(message);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #take(message: Message): Promise<void> {
    const waiting = this.#waiting[0];
    const fields = new MessageFields(message.head);
    if (waiting === undefined || fields.number("id") !== waiting.id) {
      throw new RemoteProtocolError("An answer to no request.");
    }
    if (fields.has("error")) {
      const refusal = new RequestRefused(fields.text("error", 32), fields.has("detail") ? fields.text("detail", 500) : "");
      this.#waiting.shift();
      waiting.reject(refusal);
    } else if (fields.has("ok")) {
      this.#waiting.shift();
      waiting.resolve(message);
    } else {
      try {
        await waiting.onPart(message);
      } catch (error) {
        if (error instanceof ProtocolError) throw error;
        // Whoever takes the parts cannot go on, and the computer cannot be told: the rest comes no more.
        this.#waiting.shift();
        waiting.reject(error as Error);
        throw new StreamClosed(CloseReason.DETACHED);
      }
    }
  }

  #fail(error: unknown): void {
    const reason = error instanceof ProtocolError ? error.closeReason : CloseReason.INTERNAL;
    this.#closed = error instanceof StreamClosed ? error : new StreamClosed(reason);
    this.channel.close(this.#closed instanceof StreamClosed ? this.#closed.reason : reason);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#closed);
    const isOurs = !(error instanceof StreamClosed) && !(error instanceof ProtocolError);
    if (isOurs) {
      queueMicrotask(() => {
        throw error; // a bug of ours is reported by the browser
      });
    }
  }
}

function refusePart(): void {
  throw new RemoteProtocolError("An answer in parts that was asked in one.");
}
