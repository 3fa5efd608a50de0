/** Remote Control: fills the window with the remote screen; everything else stays out of the way. */
import { useComputed, useSignal } from "@preact/signals";
import { MousePointerBan } from "lucide-preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import "../styles/tools.css";
import "../styles/viewer.css";
import { startClock } from "../api/clock";
import type { Me } from "../api/types";
import { EndDialog } from "../console/endDialog";
import { ShortcutDialog } from "../console/shortcuts";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Chat } from "../chat/chat";
import { ChatPanel } from "../chat/chatPanel";
import { ToolConnection, type OpenTool } from "../tools/connection";
import { Overlay } from "../tools/overlay";
import { Icon } from "../ui/icon";
import { useShortcuts } from "../tools/useShortcuts";
import { CloseReason } from "../protocol/closeReasons";
import { RfbChannel } from "../tunnel/rfbChannel";
import { StreamClosed } from "../tunnel/streams";
import { Clipboard } from "./clipboard";
import { RESTART_CLAIMS } from "./restart";
import { RestartDialog } from "./restartDialog";
import { Screen, type ScreenOptions } from "./screen";
import { ratesBetween, type Rates, type Sample } from "./statistics";
import { Toolbar } from "./toolbar";

/** Of this page's address: the restart is to be asked for as soon as there is a connection. */
export const RESTART_FRAGMENT = "#restart";

export interface LinkState extends Rates {
  /** Milliseconds. */
  readonly roundTrip: number;
}

type LimitedControl = ToolConnection & { measure: () => void; limited: (chosen: ScreenOptions) => ScreenOptions };

export function ViewerPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useSignal<Screen | null>(null);
  const link = useSignal<LinkState | null>(null);
  const options = useSignal<ScreenOptions>({ fits: true, quality: "medium", isViewOnly: false });
  const isEnding = useSignal(false);
  const isRestarting = useSignal(false);
  const opened = useRef<OpenTool | null>(null);
  const isHeld = useSignal(false);
  const showsHelp = useSignal(false);
  const clipboard = useMemo(() => new Clipboard((text) => screen.peek()?.setClipboard(text)), []);

  const chat = useMemo(() => new Chat(), [sessionId]);
  const control = useMemo(() => {
    let channel: RfbChannel | null = null;
    let last: Sample | null = null;
    const measure = (): void => {
      const shown = screen.peek();
      if (channel === null || shown === null) return;
      const { bytesReceived, responseMs } = channel.linkQuality;
      const sample = { at: performance.now(), bytes: bytesReceived, updates: shown.updates };
      if (last !== null) link.value = { ...ratesBetween(last, sample), roundTrip: responseMs };
      last = sample;
    };
    const display = {
      show: (tool: OpenTool): void => {
        if (place.current === null) return;
        opened.current = tool;
        channel = new RfbChannel(tool.channel);
        last = null;
        screen.value = new Screen(place.current, channel, made.limited(options.peek()), {
          onPicture: () => made.showed(),
          onClipboard: (text) => clipboard.receive(text),
          onHeld: (held) => (isHeld.value = held),
        });
        if (made.session.peek()?.access !== "view") chat.follow(() => tool.openStream("chat"));
      },
      clear: (): void => {
        channel = null;
        opened.current = null;
        link.value = null;
        isHeld.value = false;
        chat.stop();
        const shown = screen.peek();
        screen.value = null;
        shown?.disconnect();
        // Not even a stopped noVNC leaves a picture behind.
        place.current?.replaceChildren();
      },
    };
    const made: LimitedControl = Object.assign(
      new ToolConnection(sessionId, "control", display, sessionStorage, onSignedOut, me.company.requires_reason),
      {
        measure,
        /** What was chosen, as far as this technician may: who was let in to watch sends nothing. */
        limited: (chosen: ScreenOptions): ScreenOptions =>
          made.session.peek()?.access === "view" ? { ...chosen, isViewOnly: true } : chosen,
      },
    );
    return made;
  }, [sessionId]);

  const running = useRef<AbortController | null>(null);
  const start = (): void => {
    running.current?.abort();
    running.current = new AbortController();
    void control.run(running.current.signal);
  };
  useEffect(() => {
    const stopClock = startClock();
    const timer = setInterval(control.measure, 1000);
    start();
    return () => {
      running.current?.abort();
      clearInterval(timer);
      stopClock();
    };
  }, [control]);

  const computer = useComputed(() => clean(control.session.value?.host?.computer) || t("computer"));
  useEffect(() => {
    const unread = chat.unread.value === 0 ? "" : `(${chat.unread.value}) `;
    document.title = `${unread}${computer.value} – ${t("remote_control")}`;
  }, [computer.value, chat.unread.value]);
  useEffect(() => clipboard.follow(), [clipboard]);
  const change = (part: Partial<ScreenOptions>): void => {
    options.value = { ...options.value, ...part };
    screen.value?.apply(control.limited(options.value));
    screen.value?.focus();
  };
  const toggleFull = (): void => {
    if (document.fullscreenElement === null) void document.documentElement.requestFullscreen().catch(() => undefined);
    else void document.exitFullscreen();
  };
  useShortcuts({
    T: showToolbar,
    S: () => change({ fits: !options.value.fits }),
    F: toggleFull,
    D: () => screen.value?.sendCtrlAltDel(),
    R: () => control.reconnect(),
    C: () => (chat.isOpen.value = true),
    H: () => (showsHelp.value = true),
  });

  const state = control.state.value;
  const session = control.session.value;
  // The session's card leads here to restart the computer.
  useEffect(() => {
    if (state.kind !== "connected" || location.hash !== RESTART_FRAGMENT) return;
    history.replaceState(null, "", location.pathname);
    if (session?.access !== "view") isRestarting.value = true;
  }, [state.kind]);
  const isOver = state.kind === "ended" || state.kind === "stopped";
  const hasToolbar = !isOver && state.kind !== "loading" && state.kind !== "password";
  return (
    <main class="viewer">
      <h1 class="unseen">
        {t("remote_control")}: {computer.value}
      </h1>
      <div class="screen" ref={place} />
      {state.kind !== "connected" && (
        <Overlay state={state} computer={computer.value} connection={control} chat={chat} onStart={start} />
      )}
      <p class="held" role="status">
        {isHeld.value && state.kind === "connected" && (
          <>
            <Icon as={MousePointerBan} size={24} />
            <span>{t("viewer_input_held")}</span>
          </>
        )}
      </p>
      {hasToolbar && session !== null && (
        <Toolbar
          computer={computer.value}
          expiresAt={session.expires_at}
          screen={screen.value}
          options={control.limited(options.value)}
          isWatching={session.access === "view"}
          chat={chat}
          mayEnd={session.may_manage}
          link={link.value}
          clipboard={clipboard}
          isConnected={state.kind === "connected"}
          onChange={change}
          onFull={toggleFull}
          onReconnect={() => control.reconnect()}
          onRestart={() => (isRestarting.value = true)}
          onHelp={() => (showsHelp.value = true)}
          onEnd={() => (isEnding.value = true)}
        />
      )}
      {chat.isOpen.value && hasToolbar && <ChatPanel chat={chat} onClose={() => screen.value?.focus()} />}
      {isEnding.value && session !== null && !isOver && (
        <EndDialog
          session={session}
          onClose={() => (isEnding.value = false)}
          onEnded={(ended) => {
            isEnding.value = false;
            control.end(ended);
          }}
        />
      )}
      {isRestarting.value && state.kind === "connected" && (
        <RestartDialog
          computer={computer.value}
          openStream={() => {
            const tool = opened.current;
            return tool === null
              ? Promise.reject(new StreamClosed(CloseReason.HOST_OFFLINE))
              : tool.openStream("control", RESTART_CLAIMS);
          }}
          onRestarting={(way) => {
            control.restarting.value = way;
            isRestarting.value = false;
          }}
          onClose={() => {
            isRestarting.value = false;
            screen.value?.focus();
          }}
        />
      )}
      {showsHelp.value && <ShortcutDialog page="viewer" onClose={() => (showsHelp.value = false)} />}
    </main>
  );
}

/** Brings the toolbar out, where it stays, and the keyboard to it. */
function showToolbar(): void {
  const handle = document.querySelector<HTMLElement>(".toolbar-handle");
  if (handle?.getAttribute("aria-expanded") === "false") handle.click();
  requestAnimationFrame(() => document.querySelector<HTMLElement>(".toolbar-row button")?.focus());
}
