/** The viewer's tools, on a bar that hides itself; its handle stays, for touch screens and keyboards. */
import { useSignal } from "@preact/signals";
import {
  Activity,
  ChevronDown,
  CircleStop,
  ClipboardList,
  Expand,
  Eye,
  Keyboard,
  Maximize,
  MessageSquare,
  Minimize,
  Pin,
  PinOff,
  Power,
  RefreshCw,
  Shrink,
  CircleQuestionMark,
} from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { counted, language, t } from "../i18n/text";
import { formatRate } from "../text/format";
import type { Chat } from "../chat/chat";
import { ChatButton } from "../chat/chatPanel";
import { Button, CopyButton } from "../ui/buttons";
import { Countdown } from "../ui/countdown";
import { Tick } from "../ui/field";
import { Icon, type IconType } from "../ui/icon";
import type { Clipboard } from "./clipboard";
import { CHORDS } from "./keys";
import type { Quality, Screen, ScreenOptions } from "./screen";
import type { LinkState } from "./viewerPage";

/** How long the bar stays after the pointer has left it, milliseconds. */
const LINGER = 1500;
/** How close to the upper edge the pointer calls it, CSS pixels. */
const EDGE = 8;

interface ToolbarProps {
  computer: string;
  expiresAt: string | null;
  screen: Screen | null;
  options: ScreenOptions;
  /** Let in to watch only: nothing can be sent. */
  isWatching: boolean;
  chat: Chat;
  mayEnd: boolean;
  link: LinkState | null;
  clipboard: Clipboard;
  isConnected: boolean;
  onChange: (part: Partial<ScreenOptions>) => void;
  onFull: () => void;
  onReconnect: () => void;
  onRestart: () => void;
  onHelp: () => void;
  onEnd: () => void;
}

type Panel = "keys" | "clipboard" | "picture" | null;

export function Toolbar(props: ToolbarProps) {
  const { computer, expiresAt, screen, options, link, clipboard, isConnected } = props;
  const isPinned = useSignal(false);
  const panel = useSignal<Panel>(null);
  const isFull = useSignal(document.fullscreenElement !== null);
  const bar = useRef<HTMLElement>(null);
  const isShown = useHiding(bar, isPinned.value || panel.value !== null || !isConnected);
  useEffect(() => {
    const changed = (): void => void (isFull.value = document.fullscreenElement !== null);
    document.addEventListener("fullscreenchange", changed);
    return () => document.removeEventListener("fullscreenchange", changed);
  }, []);
  const toggle = (wanted: Panel): void => {
    panel.value = panel.value === wanted ? null : wanted;
  };
  const closePanel = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || panel.value === null) return;
    panel.value = null;
    event.stopPropagation();
  };
  // While the bar is hidden its handle says it: nobody sees a tab's title who looks at the screen.
  const unread = props.chat.unread.value;
  const hasNews = unread > 0 && !isShown.value;
  return (
    <section
      ref={bar}
      class={`toolbar ${isShown.value ? "shown" : "hidden"}`}
      aria-label={t("toolbar")}
      onKeyDown={closePanel}
    >
      <div class="toolbar-row" role="toolbar" aria-label={t("toolbar")}>
        <span class="toolbar-computer">{computer}</span>
        {props.isWatching && (
          <span class="badge">
            <Icon as={Eye} size={16} />
            {t("watching")}
          </span>
        )}
        <ToolButton
          icon={options.fits ? Expand : Shrink}
          label={t(options.fits ? "actual_size" : "fit")}
          onPress={() => props.onChange({ fits: !options.fits })}
        />
        <ToolButton
          icon={isFull.value ? Minimize : Maximize}
          label={t(isFull.value ? "leave_full_screen" : "full_screen")}
          onPress={props.onFull}
        />
        {!props.isWatching && (
          <>
            <ToolButton
              icon={Keyboard}
              label={t("keys")}
              isOpen={panel.value === "keys"}
              disabled={!isConnected}
              onPress={() => toggle("keys")}
            />
            <ToolButton
              icon={ClipboardList}
              label={t("clipboard")}
              isOpen={panel.value === "clipboard"}
              disabled={!isConnected}
              onPress={() => toggle("clipboard")}
            />
          </>
        )}
        <ToolButton
          icon={Activity}
          label={t("quality")}
          isOpen={panel.value === "picture"}
          onPress={() => toggle("picture")}
        />
        <ToolButton icon={RefreshCw} label={t("reconnect")} onPress={props.onReconnect} />
        {!props.isWatching && (
          <ToolButton
            icon={Power}
            label={t("restart_computer")}
            isIconOnly
            disabled={!isConnected}
            onPress={props.onRestart}
          />
        )}
        {!props.isWatching && <ChatButton chat={props.chat} />}
        <LinkQuality link={link} />
        <span class="toolbar-time">
          <span class="unseen">{t("time_left")}</span> <Countdown until={expiresAt} />
        </span>
        <ToolButton icon={CircleQuestionMark} label={t("shortcuts")} isIconOnly onPress={props.onHelp} />
        <ToolButton
          icon={isPinned.value ? PinOff : Pin}
          label={t("toolbar_pin")}
          isIconOnly
          isPressed={isPinned.value}
          onPress={() => (isPinned.value = !isPinned.value)}
        />
        {props.mayEnd && (
          <Button kind="danger" icon={CircleStop} onPress={props.onEnd}>
            {t("end_session")}
          </Button>
        )}
      </div>
      {panel.value === "keys" && isConnected && <KeysPanel screen={screen} />}
      {panel.value === "clipboard" && isConnected && <ClipboardPanel clipboard={clipboard} />}
      {panel.value === "picture" && (
        <PicturePanel options={options} isWatching={props.isWatching} onChange={props.onChange} />
      )}
      <button
        type="button"
        class={`toolbar-handle ${hasNews ? "has-news" : ""}`}
        aria-label={hasNews ? `${t("toolbar_show")} (${unread} ${counted("chat_unread", unread)})` : t("toolbar_show")}
        aria-expanded={isShown.value}
        onClick={() => (isPinned.value = !isShown.value)}
      >
        {hasNews && (
          <>
            <Icon as={MessageSquare} size={16} />
            <b class="unread">{unread}</b>
          </>
        )}
        <Icon as={ChevronDown} size={16} />
      </button>
    </section>
  );
}

/** Shown while `isHeld`, while it has the pointer or the focus, and for a moment after that. */
function useHiding(bar: { current: HTMLElement | null }, isHeld: boolean) {
  const isShown = useSignal(true);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const isBusy = (): boolean => bar.current?.matches(":hover, :focus-within") === true;
    const hideLater = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (isBusy() || isHeld) hideLater();
        else isShown.value = false;
      }, LINGER);
    };
    const show = (): void => {
      isShown.value = true;
      hideLater();
    };
    const move = (event: PointerEvent): void => {
      if (event.clientY <= EDGE) show();
    };
    const element = bar.current;
    show();
    addEventListener("pointermove", move, { capture: true });
    element?.addEventListener("focusin", show);
    return () => {
      clearTimeout(timer);
      removeEventListener("pointermove", move, { capture: true });
      element?.removeEventListener("focusin", show);
    };
  }, [isHeld]);
  return isShown;
}

function ToolButton({
  icon,
  label,
  isOpen,
  isPressed,
  isIconOnly = false,
  disabled = false,
  onPress,
}: {
  icon: IconType;
  label: string;
  isOpen?: boolean;
  isPressed?: boolean;
  isIconOnly?: boolean;
  disabled?: boolean;
  onPress: () => void;
}) {
  return (
    <button
      type="button"
      class="tool"
      title={label}
      disabled={disabled}
      aria-label={isIconOnly ? label : undefined}
      aria-expanded={isOpen}
      aria-pressed={isPressed}
      onClick={onPress}
    >
      <Icon as={icon} size={18} />
      {!isIconOnly && <span>{label}</span>}
    </button>
  );
}

/** Round trip, rate, updates: numbers with their words for screen readers. */
function LinkQuality({ link }: { link: LinkState | null }) {
  return (
    <dl class="link-quality" aria-label={t("link_quality")} title={t("link_quality")}>
      <Figure name="round_trip" value={link && t("milliseconds", { count: Math.round(link.roundTrip) })} />
      <Figure name="rate" value={link && formatRate(link.bytesPerSecond, language.value)} />
      <Figure name="updates_name" value={link && t("updates", { count: Math.round(link.updatesPerSecond) })} />
    </dl>
  );
}

function Figure({ name, value }: { name: "round_trip" | "rate" | "updates_name"; value: string | null }) {
  return (
    <div>
      <dt class="unseen">{t(name)}</dt>
      <dd class="tabular">{value ?? "–"}</dd>
    </div>
  );
}

function PanelBox({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="panel stack" role="group" aria-label={label}>
      {children}
    </div>
  );
}

function KeysPanel({ screen }: { screen: Screen | null }) {
  return (
    <PanelBox label={t("keys")}>
      <div class="row">
        <Button kind="main" onPress={() => screen?.sendCtrlAltDel()}>
          {t("ctrl_alt_del")}
        </Button>
        {CHORDS.map(({ name, chord }) => (
          <Button key={name} onPress={() => screen?.sendKeys(chord)}>
            {name}
          </Button>
        ))}
      </div>
    </PanelBox>
  );
}

function ClipboardPanel({ clipboard }: { clipboard: Clipboard }) {
  return (
    <PanelBox label={t("clipboard")}>
      <label class="stack">
        <span class="hint">{t("clipboard_hint")}</span>
        <textarea
          rows={5}
          spellcheck={false}
          value={clipboard.text.value}
          onInput={(event) => (clipboard.text.value = event.currentTarget.value)}
        />
      </label>
      <div class="row">
        <Button kind="main" onPress={() => clipboard.put(clipboard.text.value)}>
          {t("clipboard_send")}
        </Button>
        <CopyButton text={() => clipboard.text.value} label={t("clipboard_copy")} />
      </div>
      <Tick
        label={t("clipboard_sync")}
        checked={clipboard.isSynchronised.value}
        onChange={(checked) => {
          clipboard.isSynchronised.value = checked;
          void clipboard.bring();
        }}
      />
    </PanelBox>
  );
}

const QUALITIES: readonly { readonly quality: Quality; readonly word: `quality_${Quality}` }[] = [
  { quality: "low", word: "quality_low" },
  { quality: "medium", word: "quality_medium" },
  { quality: "high", word: "quality_high" },
];

function PicturePanel({
  options,
  isWatching,
  onChange,
}: {
  options: ScreenOptions;
  isWatching: boolean;
  onChange: (part: Partial<ScreenOptions>) => void;
}) {
  return (
    <PanelBox label={t("quality")}>
      <fieldset class="qualities">
        <legend>{t("quality")}</legend>
        {QUALITIES.map(({ quality, word }) => (
          <label key={quality}>
            <input
              type="radio"
              name="quality"
              checked={options.quality === quality}
              onChange={() => onChange({ quality })}
            />
            {t(word)}
          </label>
        ))}
      </fieldset>
      {!isWatching && (
        <Tick
          label={t("view_only")}
          checked={options.isViewOnly}
          onChange={(isViewOnly) => onChange({ isViewOnly })}
        />
      )}
    </PanelBox>
  );
}
