/**
 * The two clipboards. Text from the computer is data, not markup: it is shown in a text field and copied, nothing else.
 *
 * Kept the same only while the technician wants it: what they copy elsewhere is not the computer's business.
 */
import { signal } from "@preact/signals";
import { MAX_CLIPBOARD_CHARACTERS } from "./screen";

export class Clipboard {
  /** The computer's clipboard, or what is about to become it. */
  readonly text = signal("");
  readonly isSynchronised = signal(false);
  /** What was sent or received last: neither side is told what it said itself. */
  #last = "";

  constructor(private readonly send: (text: string) => void) {}

  /** The computer's clipboard changed. */
  receive(text: string): void {
    this.text.value = text;
    this.#last = text;
    if (this.isSynchronised.peek()) void navigator.clipboard.writeText(text).catch(() => undefined);
  }

  /** Makes `text` the computer's clipboard. */
  put(text: string): void {
    const capped = text.slice(0, MAX_CLIPBOARD_CHARACTERS);
    this.text.value = capped;
    this.#last = capped;
    this.send(capped);
  }

  /** Brings this computer's clipboard over each time the page gets the focus, while wanted. Returns the end of it. */
  follow(): () => void {
    const bring = (): void => void this.bring();
    addEventListener("focus", bring);
    return () => removeEventListener("focus", bring);
  }

  /** Brings this computer's clipboard over now, if it is wanted, allowed and new. */
  async bring(): Promise<void> {
    if (!this.isSynchronised.peek()) return;
    try {
      const text = await navigator.clipboard.readText();
      if (text !== "" && text !== this.#last) this.put(text);
    } catch {
      // Not allowed by the browser or its owner; the panel's buttons still work.
    }
  }
}
