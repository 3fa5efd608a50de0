/**
 * A viewer's connection to the relay: HELLO, streams, notices (docs/protocol.md §2–§4).
 *
 * One object is one connection; the page makes another one to come back (`CloseReason.mayReturn` says whether that is
 * worth it). The relay pings, browsers answer by themselves. Everything received passes `decodeFrame`; a frame that is
 * wrong or out of order closes the connection with its reason, and harms nothing else.
 */
import { owned, type Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { LocalProtocolError, ProtocolError, RemoteProtocolError } from "../protocol/errors";
import { decodeFrame, encodeFrame, PROTOCOL_VERSION, SUBPROTOCOL } from "../protocol/frames";
import type { Channel, Fields, Frame } from "../protocol/frames";
import { readNotice, readWelcome, type Notice, type Welcome } from "./notices";
import { LOOK_AGAIN_MS, UnsentLimit } from "./pacing";
import { GrowthAllowance, INITIAL_WINDOW_BYTES } from "./receiveWindow";
import { RawStream, StreamClosed, type StreamCarrier } from "./streams";

export const MAX_OPEN_STREAMS = 32;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
const MAX_STREAM_NUMBER = 0xffff;

/** The part of a browser's WebSocket that is used; tests bring their own. */
export interface Socket {
  binaryType: BinaryType;
  readonly protocol: string;
  readonly bufferedAmount: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(data: Bytes): void;
  close(code?: number, reason?: string): void;
}

export interface TunnelOptions {
  /** Of the relay: `wss://…/tunnel/viewer`. */
  url: string;
  /** 32 bytes, single use. */
  ticket: Bytes;
  /** What this page calls itself in the relay's log. */
  program: string;
  createSocket?: (url: string, protocol: string) => Socket;
  /** Whether nobody sees the page. */
  isHidden?: () => boolean;
}

export interface TunnelEvents {
  /** The relay admitted this viewer. */
  welcome: Welcome;
  notice: Notice;
  /** The last event. */
  closed: CloseReason;
}

type Handlers = { [K in keyof TunnelEvents]: Set<(value: TunnelEvents[K]) => void> };

export class TunnelClient implements StreamCarrier {
  readonly allowance = new GrowthAllowance();
  readonly #socket: Socket;
  readonly #isHidden: () => boolean;
  readonly #handlers: Handlers = { welcome: new Set(), notice: new Set(), closed: new Set() };
  readonly #streams = new Map<number, RawStream>();
  readonly #timer: ReturnType<typeof setTimeout>;
  #welcome: Welcome | null = null;
  #reason: CloseReason | null = null;
  #lastNumber = 0;
  readonly #unsentLimit = new UnsentLimit();
  #isWaitingForRoom = false;

  /** Dials at once; subscribe to the events before yielding to the event loop. */
  constructor(options: TunnelOptions) {
    const create = options.createSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = create(options.url, SUBPROTOCOL);
    this.#socket = socket;
    this.#isHidden = options.isHidden ?? (() => document.hidden);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (socket.protocol !== SUBPROTOCOL) {
        this.close(CloseReason.BAD_VERSION);
        return;
      }
      const about = { program: options.program };
      this.sendFrame({ kind: "hello", version: PROTOCOL_VERSION, role: "viewer", secret: options.ticket, about });
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#finish(CloseReason.fromWsCode(event.code));
    this.#timer = setTimeout(() => this.close(CloseReason.HANDSHAKE_TIMEOUT), HANDSHAKE_TIMEOUT_MS);
  }

  /** The relay's answer; null until it came. */
  get welcome(): Welcome | null {
    return this.#welcome;
  }

  /** Why the connection was closed; null while it is not. */
  get closeReason(): CloseReason | null {
    return this.#reason;
  }

  /** Calls `handler` at each such event; the function returned ends that. */
  on<K extends keyof TunnelEvents>(event: K, handler: (value: TunnelEvents[K]) => void): () => void {
    const handlers = this.#handlers[event] as Set<typeof handler>;
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /** @throws StreamClosed if the connection is closed before the relay admitted this viewer. */
  whenWelcome(): Promise<Welcome> {
    if (this.#welcome !== null) return Promise.resolve(this.#welcome);
    if (this.#reason !== null) return Promise.reject(new StreamClosed(this.#reason));
    return new Promise((resolve, reject) => {
      this.on("welcome", resolve);
      this.on("closed", (reason) => reject(new StreamClosed(reason)));
    });
  }

  /**
   * Opens a stream; resolves once the host accepted it, which on `pair` waits for a person.
   *
   * @param makeParams gives OPEN's params for the id that the stream is going to have.
   * @param signal aborting it closes the stream.
   * @throws StreamClosed if it is refused, or the connection closed; LocalProtocolError before the welcome.
   */
  openStream(channel: Channel, makeParams: (stream: number) => Fields, signal?: AbortSignal): Promise<RawStream> {
    if (this.#reason !== null) return Promise.reject(new StreamClosed(this.#reason));
    if (this.#welcome === null) return Promise.reject(new LocalProtocolError("The relay has not answered yet."));
    if (signal?.aborted) return Promise.reject(new StreamClosed(CloseReason.DETACHED));
    if (this.#streams.size >= MAX_OPEN_STREAMS || this.#lastNumber === MAX_STREAM_NUMBER) {
      return Promise.reject(new StreamClosed(CloseReason.TOO_MANY_STREAMS));
    }
    this.#lastNumber += 1;
    const id = this.#welcome.viewer * 0x1_0000 + this.#lastNumber;
    return new Promise((resolve, reject) => {
      const params = makeParams(id);
      const stream = new RawStream(this, id, channel, { resolve, reject });
      this.#streams.set(id, stream);
      this.sendFrame({ kind: "open", stream: id, channel, credit: INITIAL_WINDOW_BYTES, params });
      signal?.addEventListener("abort", () => stream.close(CloseReason.DETACHED), { once: true });
    });
  }

  /** Tells the relay something (docs/protocol.md §4). */
  sendNotice(name: string, fields: Fields): void {
    this.sendFrame({ kind: "notice", name, fields });
  }

  /** Closes all streams and the connection; the second call does nothing. */
  close(reason: CloseReason = CloseReason.NORMAL): void {
    if (this.#reason !== null) return;
    this.sendFrame({ kind: "close", stream: 0, reason });
    this.#finish(reason);
  }

  /** For the streams: sends a frame; after the close, nothing. */
  sendFrame(frame: Frame): void {
    if (this.#reason !== null) return;
    try {
      this.#socket.send(encodeFrame(frame));
    } catch (error) {
      // A socket that is still connecting refuses; its close event follows.
      if (!(error instanceof DOMException)) throw error;
    }
  }

  /** For the streams: this one is closed. */
  forgetStream(id: number): void {
    this.#streams.delete(id);
  }

  /** For the streams: whether files may be sent now. */
  hasRoomForFiles(): boolean {
    // Browsers let a hidden page look again once a second only; but nobody clicks in one.
    if (this.#isHidden() || this.#socket.bufferedAmount < this.#unsentLimit.bytes) return true;
    if (!this.#isWaitingForRoom) {
      this.#isWaitingForRoom = true;
      this.#waitForRoom();
    }
    return false;
  }

  #waitForRoom(): void {
    const before = this.#socket.bufferedAmount;
    const since = performance.now();
    setTimeout(() => {
      if (this.#reason !== null) return;
      this.#unsentLimit.drained(before - this.#socket.bufferedAmount, performance.now() - since);
      if (!this.#isHidden() && this.#socket.bufferedAmount >= this.#unsentLimit.bytes) {
        this.#waitForRoom();
        return;
      }
      this.#isWaitingForRoom = false;
      for (const stream of [...this.#streams.values()]) stream.handleRoom();
    }, LOOK_AGAIN_MS);
  }

  #receive(data: unknown): void {
    if (this.#reason !== null) return;
    try {
      if (!(data instanceof ArrayBuffer)) {
        throw new RemoteProtocolError(CloseReason.TEXT_MESSAGE.sentence, CloseReason.TEXT_MESSAGE);
      }
      this.#handle(decodeFrame(owned(new Uint8Array(data))));
    } catch (error) {
      this.close(error instanceof ProtocolError ? error.closeReason : CloseReason.INTERNAL);
      if (!(error instanceof ProtocolError)) throw error;
    }
  }

  #handle(frame: Frame): void {
    if (frame.kind === "close" && frame.stream === 0) {
      this.#finish(frame.reason);
    } else if (frame.kind === "welcome") {
      if (this.#welcome !== null) throw outOfOrder();
      this.#welcome = readWelcome(frame.fields);
      clearTimeout(this.#timer);
      this.#emit("welcome", this.#welcome);
    } else if (this.#welcome === null || frame.kind === "hello" || frame.kind === "open") {
      throw outOfOrder();
    } else if (frame.kind === "notice") {
      const notice = readNotice(frame.name, frame.fields);
      if (notice !== null) this.#emit("notice", notice);
    } else {
      this.#handleOfStream(frame, this.#welcome.viewer);
    }
  }

  #handleOfStream(frame: Extract<Frame, { kind: "accept" | "data" | "credit" | "close" }>, viewer: number): void {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) {
      // Of a stream that this side closed: was under way. Of one that never was: somebody is confused.
      const number = frame.stream - viewer * 0x1_0000;
      if (number < 1 || number > this.#lastNumber) throw outOfOrder();
      return;
    }
    switch (frame.kind) {
      case "accept":
        stream.handleAccept(frame.credit, frame.params);
        break;
      case "data":
        stream.handleData(frame.payload);
        break;
      case "credit":
        stream.handleCredit(frame.amount);
        break;
      case "close":
        stream.handleClose(frame.reason);
    }
  }

  #finish(reason: CloseReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    clearTimeout(this.#timer);
    for (const stream of [...this.#streams.values()]) stream.handleClose(reason);
    // Browsers let pages send 1000 and 3000–4999 only.
    this.#socket.close(reason.wsCode === 1000 || reason.wsCode >= 4000 ? reason.wsCode : CloseReason.BAD_FRAME.wsCode);
    this.#emit("closed", reason);
  }

  #emit<K extends keyof TunnelEvents>(event: K, value: TunnelEvents[K]): void {
    for (const handler of [...this.#handlers[event]]) {
      try {
        handler(value);
      } catch (error) {
        // A listener's bug is reported by the browser and does not cost the connection.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

function outOfOrder(): RemoteProtocolError {
  return new RemoteProtocolError("A frame came at the wrong time.", CloseReason.OUT_OF_ORDER);
}
