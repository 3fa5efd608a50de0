/** The part of noVNC 1.7 (`docs/API.md`) that the viewer uses; the package has no types of its own. */
declare module "@novnc/novnc" {
  export default class RFB extends EventTarget {
    constructor(target: Element, channel: object, options?: { shared?: boolean });
    background: string;
    clipViewport: boolean;
    compressionLevel: number;
    focusOnClick: boolean;
    qualityLevel: number;
    scaleViewport: boolean;
    viewOnly: boolean;
    blur(): void;
    clipboardPasteFrom(text: string): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    /** Not documented: reads one FramebufferUpdate as far as it has come, and says whether it was complete. */
    protected _framebufferUpdate(): boolean;
  }
}
