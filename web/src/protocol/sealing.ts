/**
 * Sealed records (docs/protocol.md §6), as `relay/protocol/sealing.py` explains them.
 *
 * WebCrypto answers later, so calls on one object must not overlap: await one before the next
 * (`SealedChannel` sees to that).
 */
import { concat, u32, utf8, type Bytes } from "./bytes";
import { CloseReason } from "./closeReasons";
import { LocalProtocolError, RemoteProtocolError } from "./errors";
import { hkdf } from "./hkdf";

export const MAX_DATA_BYTES = 64 * 1024;
export const MAX_FILE_DATA_BYTES = 1024 * 1024;
export const OVERHEAD_BYTES = 1 + 16;
export const REKEY_RECORDS = 2 ** 20;
export const MAX_RECORDS = 2 ** 22;

/** Which way a record travels: its byte in the associated data. */
export const Direction = { VIEWER_TO_HOST: 0, HOST_TO_VIEWER: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

export interface SealOptions {
  /** The channel's largest plaintext. */
  maxDataBytes?: number;
  /** Limits under one key; only tests set others. */
  rekeyRecords?: number;
  maxRecords?: number;
}

/** What was in a record. `isFinal`: nothing follows on this stream. */
export interface Opened {
  data: Bytes;
  isFinal: boolean;
}

const DATA = 0;
const FINAL = 1;
const REKEY = 2;
const REKEY_INFO = utf8("adhoc.v1 rekey");

/** The largest plaintext of one record on a channel. */
export function maxDataBytesOf(channel: string): number {
  return channel === "files" ? MAX_FILE_DATA_BYTES : MAX_DATA_BYTES;
}

/** One direction's key and counter, and how they go on; the same on both ends. */
class Chain {
  counter = 0;
  readonly #prefix: Bytes;
  #raw: Bytes;
  #key: Promise<CryptoKey>;

  constructor(key: Bytes, stream: number, direction: Direction) {
    this.#raw = key;
    this.#key = importKey(key);
    this.#prefix = concat(u32(stream), Uint8Array.of(direction));
  }

  async encrypt(type: number, data: Bytes): Promise<Bytes> {
    const parameters = this.#next(type);
    const sealed = await crypto.subtle.encrypt(parameters, await this.#key, data);
    return concat(Uint8Array.of(type), new Uint8Array(sealed));
  }

  /** The plaintext, or null if the tag does not fit. */
  async decrypt(type: number, sealed: Bytes): Promise<Bytes | null> {
    const parameters = this.#next(type);
    const key = await this.#key;
    return crypto.subtle.decrypt(parameters, key, sealed).then(
      (data) => new Uint8Array(data),
      () => null,
    );
  }

  async advance(): Promise<void> {
    this.#raw = await hkdf(this.#raw, new Uint8Array(0), REKEY_INFO);
    this.#key = importKey(this.#raw);
    this.counter = 0;
  }

  #next(type: number): AesGcmParams {
    const iv = new Uint8Array(12);
    new DataView(iv.buffer).setBigUint64(4, BigInt(this.counter));
    this.counter += 1;
    return { name: "AES-GCM", iv, additionalData: concat(this.#prefix, Uint8Array.of(type)) };
  }
}

/** Seals what one side sends on one stream. */
export class Sealer {
  readonly #chain: Chain;
  readonly #maxDataBytes: number;
  readonly #rekeyRecords: number;
  #isOver = false;

  constructor(key: Bytes, stream: number, direction: Direction, options: SealOptions = {}) {
    this.#chain = new Chain(key, stream, direction);
    this.#maxDataBytes = options.maxDataBytes ?? MAX_DATA_BYTES;
    this.#rekeyRecords = options.rekeyRecords ?? REKEY_RECORDS;
  }

  /**
   * The records to send, in order: one, and before it a rekey record where one is due.
   *
   * @throws LocalProtocolError if `data` is too long or the final record was sealed before.
   */
  async seal(data: Bytes, isFinal = false): Promise<Bytes[]> {
    if (data.length > this.#maxDataBytes) {
      throw new LocalProtocolError("A record must not be longer than its channel allows.");
    }
    const records = this.#chain.counter >= this.#rekeyRecords - 1 ? [await this.rekey()] : [];
    this.#refuseAfterFinal();
    this.#isOver = isFinal;
    records.push(await this.#chain.encrypt(isFinal ? FINAL : DATA, data));
    return records;
  }

  /** The record that moves both ends to the next key. */
  async rekey(): Promise<Bytes> {
    this.#refuseAfterFinal();
    const record = await this.#chain.encrypt(REKEY, new Uint8Array(0));
    await this.#chain.advance();
    return record;
  }

  #refuseAfterFinal(): void {
    if (this.#isOver) throw new LocalProtocolError("Nothing may follow the final record.");
  }
}

/** Opens what the other side sealed on one stream; the first record that fails is the last one tried. */
export class Opener {
  readonly #chain: Chain;
  readonly #maxRecordBytes: number;
  readonly #maxRecords: number;
  #isOver = false;

  constructor(key: Bytes, stream: number, direction: Direction, options: SealOptions = {}) {
    this.#chain = new Chain(key, stream, direction);
    this.#maxRecordBytes = (options.maxDataBytes ?? MAX_DATA_BYTES) + OVERHEAD_BYTES;
    this.#maxRecords = options.maxRecords ?? MAX_RECORDS;
  }

  /**
   * What a record held, or null for a rekey record.
   *
   * @throws RemoteProtocolError with SEAL_BROKEN, if this is not the next record of the other side or came after its
   *   final one; from then on, always.
   */
  async open(record: Bytes): Promise<Opened | null> {
    if (this.#isOver) throw broken("A record came after the end of its stream.");
    this.#isOver = true; // until this record has proven good
    const type = record[0] ?? REKEY + 1;
    if (record.length < OVERHEAD_BYTES || record.length > this.#maxRecordBytes || type > REKEY) {
      throw broken("A sealed record has a wrong length or type.");
    }
    if (this.#chain.counter >= this.#maxRecords) throw broken("Too many records came under one key.");
    const data = await this.#chain.decrypt(type, record.subarray(1));
    if (data === null) throw broken("A sealed record was altered, repeated or left out.");
    if (type === REKEY) {
      if (data.length > 0) throw broken("A rekey record must be empty.");
      await this.#chain.advance();
      this.#isOver = false;
      return null;
    }
    this.#isOver = type === FINAL;
    return { data, isFinal: type === FINAL };
  }
}

function importKey(raw: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
}

function broken(message: string): RemoteProtocolError {
  return new RemoteProtocolError(message, CloseReason.SEAL_BROKEN);
}
