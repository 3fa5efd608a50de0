/** The page of a tool that is not a picture: its head, the chat, and what stands there while there is no connection. */
import { useComputed, useSignal } from "@preact/signals";
import { CircleStop, RefreshCw } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import "../styles/tools.css";
import { startClock } from "../api/clock";
import type { Me, Session, Tool } from "../api/types";
import { Chat } from "../chat/chat";
import { ChatButton, ChatPanel } from "../chat/chatPanel";
import { EndDialog } from "../console/endDialog";
import { t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Countdown } from "../ui/countdown";
import { Notice } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import { ToolConnection, type OpenTool, type ViewerState } from "./connection";
import { Overlay } from "./overlay";

/** States in which what is shown stays, under a word on what is being waited for. */
const WAITS: Partial<Record<ViewerState["kind"], PlainKey>> = {
  connecting: "connecting",
  securing: "securing",
  host_offline: "viewer_host_offline",
  unreachable: "viewer_unreachable",
  waiting: "viewer_paused",
};

interface ToolPageProps {
  me: Me;
  sessionId: string;
  tool: Tool;
  word: PlainKey;
  icon: IconType;
  onSignedOut: () => void;
  /** Is given null while there is no connection; the session is known. */
  children: (opened: OpenTool | null, session: Session) => ComponentChildren;
}

export function ToolPage({ me, sessionId, tool, word, icon, onSignedOut, children }: ToolPageProps) {
  const opened = useSignal<OpenTool | null>(null);
  const wasOpened = useSignal(false);
  const isEnding = useSignal(false);
  const chat = useMemo(() => new Chat(), [sessionId]);
  const connection = useMemo(() => {
    const display = {
      show: (tool: OpenTool): void => {
        opened.value = tool;
        wasOpened.value = true;
        chat.follow(() => tool.openStream("chat"));
        made.showed();
      },
      clear: (): void => {
        opened.value = null;
        chat.stop();
      },
    };
    const made = new ToolConnection(sessionId, tool, display, sessionStorage, onSignedOut, me.company.requires_reason);
    return made;
  }, [sessionId]);
  const running = useRef<AbortController | null>(null);
  const start = (): void => {
    running.current?.abort();
    running.current = new AbortController();
    void connection.run(running.current.signal);
  };
  useEffect(() => {
    const stopClock = startClock();
    start();
    return () => {
      running.current?.abort();
      stopClock();
    };
  }, [connection]);
  const computer = useComputed(() => clean(connection.session.value?.host?.computer) || t("computer"));
  const unread = chat.unread.value;
  useEffect(() => {
    document.title = `${unread === 0 ? "" : `(${unread}) `}${computer.value} – ${t(word)}`;
  }, [computer.value, unread]);

  const state = connection.state.value;
  const session = connection.session.value;
  const wait = wasOpened.value ? WAITS[state.kind] : undefined;
  const isShown = session !== null && wasOpened.value && state.kind !== "ended" && state.kind !== "stopped";
  return (
    <div class="tool-page">
      <header class="tool-head">
        <h1>
          <Icon as={icon} size={22} />
          <span>
            {t(word)}: {computer.value}
          </span>
        </h1>
        {session !== null && isShown && (
          <div class="tool-head-right">
            <span class="soft">{t("time_left")}</span> <Countdown until={session.expires_at} />
            <ChatButton chat={chat} />
            <button type="button" class="tool" title={t("reconnect")} onClick={() => connection.reconnect()}>
              <Icon as={RefreshCw} size={18} />
              <span>{t("reconnect")}</span>
            </button>
            {session.may_manage && (
              <Button kind="danger" icon={CircleStop} onPress={() => (isEnding.value = true)}>
                {t("end_session")}
              </Button>
            )}
          </div>
        )}
      </header>
      {wait !== undefined && (
        <Notice kind="warning" live>
          {t(wait)}
        </Notice>
      )}
      <div class={chat.isOpen.value && isShown ? "tool-body with-chat" : "tool-body"}>
        <main>{isShown && children(opened.value, session)}</main>
        {chat.isOpen.value && isShown && <ChatPanel chat={chat} />}
      </div>
      {state.kind !== "connected" && wait === undefined && (
        <Overlay state={state} computer={computer.value} connection={connection} chat={chat} onStart={start} />
      )}
      {isEnding.value && session !== null && isShown && (
        <EndDialog
          session={session}
          onClose={() => (isEnding.value = false)}
          onEnded={(ended) => {
            isEnding.value = false;
            connection.end(ended);
          }}
        />
      )}
    </div>
  );
}
