/** The remote screen: noVNC in an element, fed by a sealed stream; one `Screen` for each stream. */
import RFB from "@novnc/novnc";
import type { RfbChannel } from "../tunnel/rfbChannel";

export type Quality = "low" | "medium" | "high";

/** noVNC's JPEG qualities, 0 … 9; the host reads them as the Tight encoding defines them (rfbproto, §7.7.2). */
const QUALITY_LEVELS: Readonly<Record<Quality, number>> = { low: 2, medium: 6, high: 9 };

/** What the technician has chosen; it outlives a stream. */
export interface ScreenOptions {
  readonly fits: boolean;
  readonly quality: Quality;
  readonly isViewOnly: boolean;
}

/** Behind the computer's name while the host takes no input (docs/protocol.md §6). */
const HELD_MARK = " (waits for the customer)";

/** What one computer may put into another's clipboard, characters. */
export const MAX_CLIPBOARD_CHARACTERS = 256 * 1024;

/**
 * noVNC has no event for a finished update. The method it overrides here is private, but small and old; should it go
 * away, updates are counted as zero and nothing else breaks.
 */
class CountingRfb extends RFB {
  updates = 0;

  protected override _framebufferUpdate(): boolean {
    const isComplete = super._framebufferUpdate();
    if (isComplete) this.updates += 1;
    return isComplete;
  }
}

export class Screen {
  readonly #rfb: CountingRfb;
  /** noVNC has closed by itself, because the stream ended; to close it again is an error to it. */
  #isOver = false;

  /** Puts the remote screen into `target`; `disconnect` or the stream's end takes it out again. */
  constructor(
    target: HTMLElement,
    channel: RfbChannel,
    options: ScreenOptions,
    handlers: { onPicture: () => void; onClipboard: (text: string) => void; onHeld: (isHeld: boolean) => void },
  ) {
    const rfb = new CountingRfb(target, channel, { shared: true });
    this.#rfb = rfb;
    rfb.background = "transparent";
    rfb.compressionLevel = 2;
    rfb.focusOnClick = true;
    this.apply(options);
    rfb.addEventListener("connect", () => {
      handlers.onPicture();
      rfb.focus({ preventScroll: true });
    });
    rfb.addEventListener("desktopname", (event) => {
      const name = (event as CustomEvent<{ name?: unknown }>).detail.name;
      handlers.onHeld(typeof name === "string" && name.endsWith(HELD_MARK));
    });
    rfb.addEventListener("disconnect", () => (this.#isOver = true));
    rfb.addEventListener("clipboard", (event) => {
      const text = (event as CustomEvent<{ text?: unknown }>).detail.text;
      if (typeof text === "string") handlers.onClipboard(text.slice(0, MAX_CLIPBOARD_CHARACTERS));
    });
  }

  /** Updates drawn since the beginning. */
  get updates(): number {
    return this.#rfb.updates;
  }

  apply(options: ScreenOptions): void {
    this.#rfb.scaleViewport = options.fits;
    // Not clipped: what does not fit is reached with scroll bars, and the pointer stays the computer's.
    this.#rfb.clipViewport = false;
    this.#rfb.qualityLevel = QUALITY_LEVELS[options.quality];
    this.#rfb.viewOnly = options.isViewOnly;
  }

  /** Presses and releases keys of the X11 keysym table, in order; released in reverse. */
  sendKeys(keys: readonly (readonly [keysym: number, code: string])[]): void {
    for (const [keysym, code] of keys) this.#rfb.sendKey(keysym, code, true);
    for (const [keysym, code] of keys.toReversed()) this.#rfb.sendKey(keysym, code, false);
    this.focus();
  }

  sendCtrlAltDel(): void {
    this.#rfb.sendCtrlAltDel();
    this.focus();
  }

  setClipboard(text: string): void {
    this.#rfb.clipboardPasteFrom(text.slice(0, MAX_CLIPBOARD_CHARACTERS));
  }

  focus(): void {
    this.#rfb.focus({ preventScroll: true });
  }

  blur(): void {
    this.#rfb.blur();
  }

  disconnect(): void {
    if (!this.#isOver) this.#rfb.disconnect();
  }
}
