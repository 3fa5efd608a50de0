/**
 * The chat with the customer (docs/protocol.md §10): the host keeps the lines, and tells all of them on each new stream.
 *
 * What the host sends is untrusted: lines are numbered from 0 without a gap, at most `MAX_LINES`, and shown as text only.
 */
import { computed, signal } from "@preact/signals";
import { CloseReason } from "../protocol/closeReasons";
import { ProtocolError } from "../protocol/errors";
import { MessageDecoder, MessageFields, encodeMessage, type Message } from "../protocol/messages";
import { clean, cleanLines } from "../text/clean";
import type { SealedChannel } from "../tunnel/sealedChannel";

export const MAX_CHARACTERS = 2000;
const MAX_LINES = 2000;
const MAX_TIME = 2 ** 40;

export interface ChatLine {
  /** Seconds since 1970, by the computer's clock. */
  readonly at: number;
  /** A technician's name; empty for the customer. */
  readonly author: string;
  readonly text: string;
}

/** `off`: no connection. `none`: the computer has no chat. */
export type ChatState = "off" | "ready" | "none";

export class Chat {
  readonly state = signal<ChatState>("off");
  readonly lines = signal<readonly ChatLine[]>([]);
  /** What was said here and is not on the computer yet, in order. */
  readonly unsent = signal<readonly string[]>([]);
  readonly isOpen = signal(false);
  /** The chat is to be brought before the customer when the connection is there. */
  readonly isWanted = signal(false);
  readonly #read = signal(0);
  /** Lines of others that were not looked at. */
  readonly unread = computed(() =>
    this.isOpen.value ? 0 : this.lines.value.slice(this.#read.value).filter(({ author }) => author === "").length,
  );
  #channel: SealedChannel | null = null;

  /** Opens a stream and follows it, until it is closed or `stop` is called. */
  follow(open: () => Promise<SealedChannel>): void {
    void this.#run(open);
  }

  stop(): void {
    this.#channel?.close(CloseReason.DETACHED);
    this.#channel = null;
    this.state.value = "off";
  }

  /** Says a line, now or as soon as there is a connection; empty ones are dropped. */
  say(text: string): void {
    const said = text.trim().slice(0, MAX_CHARACTERS);
    if (said === "") return;
    this.unsent.value = [...this.unsent.peek(), said];
    this.#send({ say: said });
  }

  /** Brings the chat before the customer. */
  begin(): void {
    this.isOpen.value = true;
    this.#send({ begin: true });
  }

  /** All lines were looked at. */
  markRead(): void {
    this.#read.value = this.lines.peek().length;
  }

  async #run(open: () => Promise<SealedChannel>): Promise<void> {
    let channel: SealedChannel;
    try {
      channel = await open();
    } catch {
      this.state.value = "none";
      return;
    }
    this.#channel = channel;
    this.state.value = "ready";
    if (this.isWanted.peek()) {
      this.isWanted.value = false;
      this.begin();
    }
    const decoder = new MessageDecoder();
    const told: ChatLine[] = [];
    // What was said before this stream may be on the computer, or not: it is said again when all that the computer has
    // is known, which is when it has told nothing for a moment.
    const before = this.unsent.peek();
    const sayAgain = (): void => {
      if (this.#channel !== channel) return;
      const missing = this.unsent.peek();
      for (const text of before) if (missing.includes(text)) this.#send({ say: text });
    };
    const quiet = setTimeout(sayAgain, QUIET_MS);
    try {
      for (let data = await channel.receive(); data !== null; data = await channel.receive()) {
        for (const message of decoder.feed(data)) told.push(readLine(message, told.length));
        this.#show(told);
      }
    } catch (error) {
      channel.close(error instanceof ProtocolError ? error.closeReason : CloseReason.DETACHED);
    } finally {
      clearTimeout(quiet);
      if (this.#channel === channel) this.stop();
    }
  }

  #show(told: readonly ChatLine[]): void {
    const known = this.lines.peek().length;
    this.lines.value = [...told, ...this.lines.peek().slice(told.length)];
    const unsent = [...this.unsent.peek()];
    for (const line of told.slice(known)) {
      const said = cores(line.text);
      const exact = unsent.indexOf(line.text);
      const at = line.author === "" ? -1 : exact >= 0 ? exact : unsent.findIndex((text) => cores(text) === said);
      if (at >= 0) unsent.splice(at, 1);
    }
    if (unsent.length !== this.unsent.peek().length) this.unsent.value = unsent;
    if (this.isOpen.peek()) this.markRead();
  }

  #send(head: Readonly<Record<string, unknown>>): void {
    this.#channel?.send(encodeMessage(head)).catch(() => undefined); // closed: `unsent` keeps it
  }
}

/** What the computer leaves of a text in any case: it takes invisible characters out, and emoji that it does not know. */
function cores(text: string): string {
  return text.replace(/[^\p{L}\p{N}\p{P}\p{Sm}\p{Sc}]/gu, "");
}

/** Milliseconds without a line after which the computer has told what it had. */
const QUIET_MS = 1000;

/** @throws RemoteProtocolError if it is no line, or not the next. */
function readLine({ head }: Message, expected: number): ChatLine {
  const fields = new MessageFields(head);
  fields.number("number", expected, Math.min(expected, MAX_LINES - 1));
  return {
    at: fields.number("at", 0, MAX_TIME),
    author: clean(fields.text("author")),
    text: cleanLines(fields.text("text", MAX_CHARACTERS * 2)),
  };
}
