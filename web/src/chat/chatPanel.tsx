/** The chat with the customer, over or beside a tool. */
import { useSignal } from "@preact/signals";
import { BellRing, MessageSquare, SendHorizontal, X } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { counted, language, t } from "../i18n/text";
import { formatTime } from "../text/format";
import { Button } from "../ui/buttons";
import { Icon } from "../ui/icon";
import { MAX_CHARACTERS, type Chat } from "./chat";

export function ChatPanel({ chat, onClose }: { chat: Chat; onClose?: () => void }) {
  const draft = useSignal("");
  const log = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const lines = chat.lines.value;
  const unsent = chat.unsent.value;
  const showLast = (): void => log.current?.scrollTo({ top: log.current.scrollHeight });
  useEffect(() => {
    field.current?.focus();
    // A keyboard on the screen takes room: the last line stays in sight.
    const observer = new ResizeObserver(showLast);
    if (log.current !== null) observer.observe(log.current);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    chat.markRead();
    showLast();
  }, [lines.length, unsent.length]);
  const close = (): void => {
    chat.isOpen.value = false;
    onClose?.();
  };
  const send = (): void => {
    chat.say(draft.value);
    draft.value = "";
    field.current?.focus();
  };
  const isThere = chat.state.value !== "none";
  return (
    <aside
      class="chat"
      aria-label={t("chat_title")}
      onKeyDown={(event) => {
        // Nothing that is typed here is for the remote screen.
        event.stopPropagation();
        if (event.key === "Escape") close();
      }}
    >
      <div class="chat-head">
        <h2>{t("chat_title")}</h2>
        <button type="button" class="tool" aria-label={t("chat_close")} title={t("chat_close")} onClick={close}>
          <Icon as={X} size={18} />
        </button>
      </div>
      <div class="chat-lines" ref={log} role="log" aria-label={t("chat_lines")} tabIndex={0}>
        <ol>
        {lines.length + unsent.length === 0 && <li class="soft">{t(isThere ? "chat_empty" : "chat_none")}</li>}
        {lines.map((line, number) => (
          <li key={number} class={line.author === "" ? "chat-line theirs" : "chat-line ours"}>
            <p class="hint">
              {line.author === "" ? t("chat_customer") : line.author} ·{" "}
              {formatTime(new Date(line.at * 1000).toISOString(), language.value)}
            </p>
            <p class="chat-text">{line.text}</p>
          </li>
        ))}
        {unsent.map((text, number) => (
          <li key={`unsent ${number}`} class="chat-line ours unsent">
            <p class="hint">{t("chat_unsent")}</p>
            <p class="chat-text">{text}</p>
          </li>
        ))}
        </ol>
      </div>
      {isThere && (
        <form
          class="chat-form"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <textarea
            ref={field}
            rows={2}
            aria-label={t("chat_say")}
            placeholder={t("chat_say")}
            maxLength={MAX_CHARACTERS}
            value={draft.value}
            onInput={(event) => (draft.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              send();
            }}
          />
          <div class="row">
            <Button kind="main" type="submit" icon={SendHorizontal}>
              {t("chat_send")}
            </Button>
            <Button kind="quiet" icon={BellRing} onPress={() => chat.begin()}>
              {t("chat_show_customer")}
            </Button>
          </div>
        </form>
      )}
    </aside>
  );
}

/** Opens and closes the chat; says how much is unread. */
export function ChatButton({ chat }: { chat: Chat }) {
  const unread = chat.unread.value;
  return (
    <button
      type="button"
      class={`tool ${unread > 0 ? "has-news" : ""}`}
      title={t("chat")}
      aria-expanded={chat.isOpen.value}
      onClick={() => (chat.isOpen.value = !chat.isOpen.value)}
    >
      <Icon as={MessageSquare} size={18} />
      <span>{t("chat")}</span>
      {unread > 0 && (
        <b class="unread" role="status">
          {unread}
          <span class="unseen"> {counted("chat_unread", unread)}</span>
        </b>
      )}
    </button>
  );
}
