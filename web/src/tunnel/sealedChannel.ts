/**
 * A stream whose payloads only the host can read: the handshake of docs/protocol.md §5, then records (§6).
 */
import type { Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { ProtocolError } from "../protocol/errors";
import type { Channel } from "../protocol/frames";
import { ViewerHandshake, type ConnectionSecrets, type Keys } from "../protocol/pairing";
import type { TunnelClient } from "./client";
import { MAX_RECORD_BYTES, RecordSize } from "./pacing";
import { StreamClosed, type RawStream } from "./streams";

/** Milliseconds after which a direction's key is replaced at the latest. */
export const REKEY_INTERVAL_MS = 60 * 60 * 1000;

/** The relay's origin and the session, as both sides prove them to each other. */
export interface SessionPlace {
  origin: string;
  session: string;
}

export interface ConnectOptions extends SessionPlace, ConnectionSecrets {
  signal?: AbortSignal;
}

/**
 * Opens a tool's channel to a paired host.
 *
 * @throws StreamClosed with WRONG_PASSWORD if the access password or the pairing key is not the host's, or with the
 *   reason of relay or host; CodeError if the password cannot be one.
 */
export function connectChannel(
  client: TunnelClient,
  channel: Exclude<Channel, "pair">,
  options: ConnectOptions,
): Promise<SealedChannel> {
  const { origin, session, signal, ...secrets } = options;
  const make = (stream: number): ViewerHandshake =>
    ViewerHandshake.forConnection(channel, { origin, session, stream }, secrets);
  return SealedChannel.open(client, channel, make, signal);
}

export class SealedChannel {
  #sending: Promise<void> = Promise.resolve();
  #rekeyAt = performance.now() + REKEY_INTERVAL_MS;
  #hasFinal = false;
  readonly #recordSize = new RecordSize();

  private constructor(
    private readonly stream: RawStream,
    private readonly keys: Keys,
    /** What the host says, packed, and proven. */
    readonly facts: Bytes,
    /** Milliseconds from this side's confirmation to the host's: one round trip and a little arithmetic. */
    readonly handshakeMs: number,
  ) {}

  /** Opens a stream and shakes hands; `connectChannel` and `pair` are the ways to call it. */
  static async open(
    client: TunnelClient,
    channel: Channel,
    makeHandshake: (stream: number) => ViewerHandshake,
    signal?: AbortSignal,
  ): Promise<SealedChannel> {
    const made: { handshake?: ViewerHandshake } = {};
    const makeParams = (id: number): ReturnType<ViewerHandshake["openParams"]> => {
      made.handshake = makeHandshake(id);
      return made.handshake.openParams();
    };
    const stream = await client.openStream(channel, makeParams, signal);
    const handshake = made.handshake as ViewerHandshake; // made before the stream was
    try {
      await stream.send(await handshake.receiveAccept(stream.params));
      const sentAt = performance.now();
      const keys = await handshake.receiveConfirmation(await stream.receive());
      return new SealedChannel(stream, keys, handshake.facts, performance.now() - sentAt);
    } catch (error) {
      throw closeAfter(stream, error);
    }
  }

  /** 32 bytes to keep, after pairing; null on other channels. */
  get pairingKey(): Bytes | null {
    return this.keys.pairingKey;
  }

  /** Settles when the stream is closed; never rejects. */
  get closed(): Promise<CloseReason> {
    return this.stream.closed;
  }

  /**
   * Sends bytes of any length, which are not looked at after the call began; calls are served in their order.
   *
   * @throws StreamClosed.
   */
  send(data: Uint8Array): Promise<void> {
    const copy = new Uint8Array(data);
    return this.#inTurn(async () => {
      if (performance.now() >= this.#rekeyAt) {
        this.#rekeyAt = performance.now() + REKEY_INTERVAL_MS;
        await this.stream.send(await this.keys.sealer.rekey());
      }
      let start = 0;
      do {
        const size = this.#nextRecordBytes(copy.length - start);
        await this.#sendRecords(copy.subarray(start, start + size), false);
        start += size;
      } while (start < copy.length);
    });
  }

  /** Sends the authenticated end; nothing can be sent afterwards. */
  finish(): Promise<void> {
    return this.#inTurn(() => this.#sendRecords(new Uint8Array(0), true));
  }

  /**
   * The next bytes; null after the host's authenticated end. One call at a time.
   *
   * @throws StreamClosed if the stream was closed without such an end (it was cut), or its seal broke.
   */
  async receive(): Promise<Bytes | null> {
    while (!this.#hasFinal) {
      const record = await this.stream.receive();
      let opened;
      try {
        opened = await this.keys.opener.open(record);
      } catch (error) {
        throw closeAfter(this.stream, error);
      }
      if (opened === null) continue;
      this.#hasFinal = opened.isFinal;
      if (opened.data.length > 0) return opened.data;
    }
    return null;
  }

  close(reason: CloseReason = CloseReason.DONE): void {
    this.stream.close(reason);
  }

  #nextRecordBytes(left: number): number {
    if (this.stream.channel !== "files") return Math.min(left, MAX_RECORD_BYTES);
    return this.#recordSize.take(left, performance.now());
  }

  async #sendRecords(data: Bytes, isFinal: boolean): Promise<void> {
    for (const record of await this.keys.sealer.seal(data, isFinal)) await this.stream.send(record);
  }

  #inTurn(send: () => Promise<void>): Promise<void> {
    const turn = this.#sending.then(send);
    this.#sending = turn.catch(() => undefined);
    return turn;
  }
}

/** Closes the stream with the error's reason; what to throw is StreamClosed, except for our own bugs. */
function closeAfter(stream: RawStream, error: unknown): unknown {
  if (error instanceof StreamClosed) return error;
  const reason = error instanceof ProtocolError ? error.closeReason : CloseReason.INTERNAL;
  stream.close(reason);
  return error instanceof ProtocolError ? new StreamClosed(reason) : error;
}
