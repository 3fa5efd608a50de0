/**
 * One stream of a viewer's connection: ordered payloads both ways, with credit (docs/protocol.md §2).
 *
 * What is received waits here until it is asked for, and only then is credit granted again, so at most one window of
 * it ever waits. What is sent waits for the host's credit; files also until the browser has room for them.
 */
import type { Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { LocalProtocolError, RemoteProtocolError } from "../protocol/errors";
import { dataFrameBytes, maxPayloadBytes, type Channel, type Fields, type Frame } from "../protocol/frames";
import { MAX_WINDOW_BYTES, ReceiveWindow, type GrowthAllowance } from "./receiveWindow";

/** Of what this side sends, on every channel: `files` would allow more, but it might never fit a window. */
const MAX_SENT_BYTES = maxPayloadBytes("control");

/** The stream is closed, by whom ever; `reason` says why. */
export class StreamClosed extends Error {
  override readonly name = "StreamClosed";

  constructor(readonly reason: CloseReason) {
    super(reason.sentence);
  }
}

interface Waiting<T> {
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

/** What a stream asks of its connection. */
export interface StreamCarrier {
  sendFrame(frame: Frame): void;
  forgetStream(id: number): void;
  /** Whether files may be sent now; if not, `handleRoom` is called when that has changed. */
  hasRoomForFiles(): boolean;
  /** What the windows of the connection may grow by, all together. */
  readonly allowance: GrowthAllowance;
}

export class RawStream {
  /** Settles when the stream is closed; never rejects. */
  readonly closed: Promise<CloseReason>;
  /** The host's params, from ACCEPT. */
  params: Fields = {};
  readonly #carrier: StreamCarrier;
  readonly #incoming: Bytes[] = [];
  readonly #receiveWindow: ReceiveWindow;
  readonly #senders: (Waiting<void> & { payload: Bytes })[] = [];
  #accepted: Waiting<RawStream> | null;
  #receiver: Waiting<Bytes> | null = null;
  #sendWindow = 0;
  #reason: CloseReason | null = null;
  #settleClosed: (reason: CloseReason) => void = () => undefined;

  /** Made by `TunnelClient.openStream`; `accepted` is settled by ACCEPT or CLOSE. */
  constructor(
    carrier: StreamCarrier,
    readonly id: number,
    readonly channel: Channel,
    accepted: Waiting<RawStream>,
  ) {
    this.#carrier = carrier;
    this.#accepted = accepted;
    // Only files need more than the first window; elsewhere, what is under way is late.
    this.#receiveWindow = new ReceiveWindow(channel === "files" ? carrier.allowance : null);
    this.#receiveWindow.grantedFirst(performance.now());
    this.closed = new Promise((resolve) => (this.#settleClosed = resolve));
  }

  /** Why the stream was closed; null while it is open. */
  get closeReason(): CloseReason | null {
    return this.#reason;
  }

  /**
   * Sends one payload, at most 64 KiB and its seal; resolves once the host's credit let it go. Calls are served in
   * their order.
   *
   * @throws StreamClosed, also while waiting.
   */
  send(payload: Bytes): Promise<void> {
    if (payload.length > MAX_SENT_BYTES) {
      return Promise.reject(new LocalProtocolError("A payload must not be longer than 64 KiB and its seal."));
    }
    return new Promise((resolve, reject) => {
      if (this.#reason !== null) {
        reject(new StreamClosed(this.#reason));
        return;
      }
      this.#senders.push({ payload, resolve, reject });
      this.#sendWhatFits();
    });
  }

  /**
   * The next payload. What came before the stream was closed is still given out. One call at a time.
   *
   * @throws StreamClosed once there is nothing left.
   */
  receive(): Promise<Bytes> {
    const payload = this.#incoming.shift();
    if (payload !== undefined) {
      this.#grantAgain(payload);
      return Promise.resolve(payload);
    }
    if (this.#reason !== null) return Promise.reject(new StreamClosed(this.#reason));
    if (this.#receiver !== null) {
      return Promise.reject(new LocalProtocolError("A stream has one receiver at a time."));
    }
    return new Promise((resolve, reject) => (this.#receiver = { resolve, reject }));
  }

  /** Closes the stream; the second call does nothing. */
  close(reason: CloseReason = CloseReason.DONE): void {
    if (this.#reason !== null) return;
    this.#carrier.sendFrame({ kind: "close", stream: this.id, reason });
    this.handleClose(reason);
  }

  /** For the connection: the host took the stream. */
  handleAccept(credit: number, params: Fields): void {
    if (this.#accepted === null) throw outOfOrder();
    const { resolve } = this.#accepted;
    this.#accepted = null;
    this.#receiveWindow.answeredFirst(performance.now());
    this.params = params;
    this.handleCredit(credit);
    resolve(this);
  }

  /** For the connection: a payload came. */
  handleData(payload: Bytes): void {
    if (this.#accepted !== null) throw outOfOrder();
    if (payload.length > maxPayloadBytes(this.channel)) {
      throw new RemoteProtocolError("A payload is too large for its channel.", CloseReason.TOO_LARGE);
    }
    this.#receiveWindow.received(dataFrameBytes(payload.length), performance.now());
    if (this.#receiver === null) {
      this.#incoming.push(payload);
      return;
    }
    const { resolve } = this.#receiver;
    this.#receiver = null;
    this.#grantAgain(payload);
    resolve(payload);
  }

  /** For the connection: the host allows more. */
  handleCredit(amount: number): void {
    if (this.#accepted !== null) throw outOfOrder();
    this.#sendWindow += amount;
    if (this.#sendWindow > MAX_WINDOW_BYTES) {
      throw new RemoteProtocolError("More credit was granted than a window may hold.");
    }
    this.#sendWhatFits();
  }

  /** For the connection: there is room for files again. */
  handleRoom(): void {
    this.#sendWhatFits();
  }

  /** For the connection: the stream, or everything, was closed. */
  handleClose(reason: CloseReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#receiveWindow.end();
    this.#carrier.forgetStream(this.id);
    const error = new StreamClosed(reason);
    this.#accepted?.reject(error);
    this.#receiver?.reject(error);
    for (const sender of this.#senders.splice(0)) sender.reject(error);
    this.#accepted = null;
    this.#receiver = null;
    this.#settleClosed(reason);
  }

  #sendWhatFits(): void {
    for (;;) {
      const sender = this.#senders[0];
      if (sender === undefined) return;
      const size = dataFrameBytes(sender.payload.length);
      if (size > this.#sendWindow) return;
      if (this.channel === "files" && !this.#carrier.hasRoomForFiles()) return;
      this.#sendWindow -= size;
      this.#senders.shift();
      this.#carrier.sendFrame({ kind: "data", stream: this.id, payload: sender.payload });
      sender.resolve();
    }
  }

  #grantAgain(payload: Bytes): void {
    const amount = this.#receiveWindow.consumed(dataFrameBytes(payload.length), performance.now());
    if (amount === 0 || this.#reason !== null) return;
    this.#carrier.sendFrame({ kind: "credit", stream: this.id, amount });
  }
}

function outOfOrder(): RemoteProtocolError {
  return new RemoteProtocolError("A frame came at the wrong time.", CloseReason.OUT_OF_ORDER);
}
