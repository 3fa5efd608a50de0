/**
 * The channel that noVNC draws from: an object with the surface of a WebSocket (noVNC 1.7, `core/websock.js`), over a
 * sealed stream. It also measures the link.
 */
import { concat, type Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import type { SealedChannel } from "./sealedChannel";
import { StreamClosed } from "./streams";

/** Input that waits for credit; a link that lets so much pile up is dead for a person at a keyboard. */
export const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
/** Answers remembered for `responseMs`. */
const SAMPLES = 15;

export interface LinkQuality {
  /** Plaintext bytes and records since the beginning; take differences for rates. */
  bytesReceived: number;
  bytesSent: number;
  recordsReceived: number;
  /** Milliseconds from something sent to the next thing shown: the median of the last 15; first, the handshake's. */
  responseMs: number;
}

type Handler<E> = ((event: E) => void) | null;

export class RfbChannel {
  binaryType = "arraybuffer";
  readonly protocol = "";
  /** noVNC sets these. */
  onopen: Handler<Event> = null;
  onerror: Handler<Event> = null;
  onclose: Handler<{ code: number; reason: string; wasClean: boolean }> = null;
  readonly #channel: SealedChannel;
  readonly #samples: number[];
  #state: "open" | "closing" | "closed" = "open";
  #onmessage: Handler<{ data: ArrayBuffer }> = null;
  #isPumping = false;
  #unsent: Bytes[] = [];
  #unsentBytes = 0;
  #isFlushing = false;
  #askedAt: number | null = null;
  #bytesReceived = 0;
  #bytesSent = 0;
  #recordsReceived = 0;
  #closeReason: CloseReason | null = null;

  constructor(channel: SealedChannel) {
    this.#channel = channel;
    this.#samples = [channel.handshakeMs];
  }

  get readyState(): "open" | "closing" | "closed" {
    return this.#state;
  }

  /** Why the channel was closed; null while it is open. */
  get closeReason(): CloseReason | null {
    return this.#closeReason;
  }

  get onmessage(): Handler<{ data: ArrayBuffer }> {
    return this.#onmessage;
  }

  /** Nothing is taken from the stream before somebody listens. */
  set onmessage(handler: Handler<{ data: ArrayBuffer }>) {
    this.#onmessage = handler;
    if (handler === null || this.#isPumping) return;
    this.#isPumping = true;
    void this.#pump();
  }

  get linkQuality(): LinkQuality {
    const ordered = [...this.#samples].sort((a, b) => a - b);
    return {
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      recordsReceived: this.#recordsReceived,
      responseMs: ordered[Math.floor(ordered.length / 2)] ?? 0,
    };
  }

  /** Sends a copy of `data`, in order; what is sent while credit is short travels together. */
  send(data: Uint8Array | ArrayBuffer): void {
    if (this.#state !== "open") return;
    const copy = data instanceof ArrayBuffer ? new Uint8Array(data.slice(0)) : new Uint8Array(data);
    this.#unsent.push(copy);
    this.#unsentBytes += copy.length;
    if (this.#unsentBytes > MAX_UNSENT_BYTES) {
      this.#finish(CloseReason.STALLED);
    } else if (!this.#isFlushing) {
      this.#isFlushing = true;
      void this.#flush();
    }
  }

  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    // Like a WebSocket, the close event comes later.
    queueMicrotask(() => this.#finish(CloseReason.DONE));
  }

  async #pump(): Promise<void> {
    try {
      for (;;) {
        const data = await this.#channel.receive();
        if (data === null || this.#state === "closed") break;
        this.#countReceived(data.length);
        this.#onmessage?.({ data: data.byteLength === data.buffer.byteLength ? data.buffer : data.slice().buffer });
      }
      this.#finish(CloseReason.DONE);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #flush(): Promise<void> {
    try {
      while (this.#unsent.length > 0 && this.#state !== "closed") {
        const batch = concat(...this.#unsent.splice(0));
        this.#unsentBytes -= batch.length;
        this.#bytesSent += batch.length;
        this.#askedAt ??= performance.now();
        await this.#channel.send(batch);
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isFlushing = false;
    }
  }

  #countReceived(size: number): void {
    this.#bytesReceived += size;
    this.#recordsReceived += 1;
    if (this.#askedAt === null) return;
    this.#samples.push(performance.now() - this.#askedAt);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    this.#askedAt = null;
  }

  /** A closed stream is an ordinary end; anything else is a bug, which the browser reports. */
  #fail(error: unknown): void {
    this.#finish(error instanceof StreamClosed ? error.reason : CloseReason.INTERNAL);
    if (!(error instanceof StreamClosed)) throw error;
  }

  #finish(reason: CloseReason): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#closeReason = reason;
    this.#unsent = [];
    this.#channel.close(reason);
    const wasClean = reason === CloseReason.DONE;
    if (!wasClean) this.onerror?.(new Event("error"));
    this.onclose?.({ code: reason.wsCode, reason: reason.sentence, wasClean });
  }
}
