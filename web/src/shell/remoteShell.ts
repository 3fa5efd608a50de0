/**
 * One shell of the computer on one stream (docs/protocol.md §11). What it shows is untrusted bytes for a terminal, which
 * knows no more than to draw them: no links, no files, no clipboard.
 */
import { utf8, type Bytes } from "../protocol/bytes";
import { CloseReason } from "../protocol/closeReasons";
import { ProtocolError, RemoteProtocolError } from "../protocol/errors";
import { MessageDecoder, MessageFields, encodeMessage } from "../protocol/messages";
import type { SealedChannel } from "../tunnel/sealedChannel";

export interface ShellSize {
  readonly columns: number;
  readonly rows: number;
}

/** Either side of a terminal. */
const MAX_SIDE = 1000;
/** Of one message that is typed, for instance pasted. */
const MAX_TYPED_BYTES = 64 * 1024;
/**
 * Typed and not sent yet. A terminal answers questions of the shell's by itself (where the cursor is), so that a computer
 * that asks without end and takes nothing would fill the page's memory.
 */
export const MAX_WAITING_BYTES = 16 << 20;

export class RemoteShell {
  #waitingBytes = 0;

  /** Begins a shell on a stream that was just proven. */
  constructor(
    private readonly channel: SealedChannel,
    size: ShellSize,
  ) {
    void this.resize(size);
  }

  /**
   * Gives `show` what the shell shows, piece by piece, each after the last was drawn.
   *
   * @returns the shell's exit status, or null if the connection ended before it. Never throws.
   */
  async run(show: (output: Bytes) => Promise<void>): Promise<number | null> {
    const decoder = new MessageDecoder();
    let status: number | null = null;
    try {
      for (let data = await this.channel.receive(); data !== null; data = await this.channel.receive()) {
        for (const { head, body } of decoder.feed(data)) {
          const fields = new MessageFields(head);
          if (status !== null) throw new RemoteProtocolError("A shell that has exited says no more.");
          if (fields.has("exited")) status = Math.trunc(fields.number("exited", 0, 255));
          if (body.length > 0) await show(body);
        }
      }
    } catch (error) {
      this.channel.close(error instanceof ProtocolError ? error.closeReason : CloseReason.DETACHED);
    }
    return status;
  }

  /** Types a text; a closed shell hears nothing. */
  type(text: string): Promise<void> {
    return this.typeBytes(utf8(text));
  }

  async typeBytes(typed: Uint8Array): Promise<void> {
    for (let at = 0; at < typed.length; at += MAX_TYPED_BYTES) {
      await this.#send({}, typed.subarray(at, at + MAX_TYPED_BYTES));
    }
  }

  resize({ columns, rows }: ShellSize): Promise<void> {
    const side = (value: number): number => Math.max(1, Math.min(MAX_SIDE, Math.trunc(value)));
    return this.#send({ size: [side(columns), side(rows)] });
  }

  async #send(head: Readonly<Record<string, unknown>>, body?: Uint8Array): Promise<void> {
    const message = encodeMessage(head, body);
    this.#waitingBytes += message.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) return this.channel.close(CloseReason.STALLED);
    await this.channel.send(message).catch(() => undefined); // closed: `run` says so
    this.#waitingBytes -= message.length;
  }
}
