/** Remote Control: fills the window with the remote screen; everything else stays out of the way. */
import { useComputed, useSignal } from "@preact/signals";
import {
  CircleStop,
  Hourglass,
  KeyRound,
  MonitorOff,
  TriangleAlert,
  Unplug,
} from "lucide-preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import "../styles/viewer.css";
import { relayNow, now, startClock } from "../api/clock";
import type { Me } from "../api/types";
import { endSentence } from "../console/ends";
import { EndDialog } from "../console/endDialog";
import { ShortcutDialog } from "../console/shortcuts";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatCountdown } from "../text/format";
import type { RfbChannel } from "../tunnel/rfbChannel";
import { Button } from "../ui/buttons";
import { Face, Loading, Notice } from "../ui/faces";
import { Field, Tick } from "../ui/field";
import { Clipboard } from "./clipboard";
import { RemoteControl, type ViewerState } from "./remoteControl";
import { Screen, type ScreenOptions } from "./screen";
import { ratesBetween, type Rates, type Sample } from "./statistics";
import { Toolbar } from "./toolbar";
import { useShortcuts } from "./useShortcuts";

export interface LinkState extends Rates {
  /** Milliseconds. */
  readonly roundTrip: number;
}

type LimitedControl = RemoteControl & { measure: () => void; limited: (chosen: ScreenOptions) => ScreenOptions };

export function ViewerPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  const place = useRef<HTMLDivElement>(null);
  const screen = useSignal<Screen | null>(null);
  const link = useSignal<LinkState | null>(null);
  const options = useSignal<ScreenOptions>({ fits: true, quality: "medium", isViewOnly: false });
  const isEnding = useSignal(false);
  const showsHelp = useSignal(false);
  const clipboard = useMemo(() => new Clipboard((text) => screen.peek()?.setClipboard(text)), []);

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
      show: (opened: RfbChannel): void => {
        if (place.current === null) return;
        channel = opened;
        last = null;
        screen.value = new Screen(place.current, opened, made.limited(options.peek()), {
          onPicture: () => made.pictureCame(),
          onClipboard: (text) => clipboard.receive(text),
        });
      },
      clear: (): void => {
        channel = null;
        link.value = null;
        const shown = screen.peek();
        screen.value = null;
        shown?.disconnect();
        // Not even a stopped noVNC leaves a picture behind.
        place.current?.replaceChildren();
      },
    };
    const made: LimitedControl = Object.assign(
      new RemoteControl(sessionId, display, sessionStorage, onSignedOut, me.company.requires_reason),
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
    document.title = `${computer.value} – ${t("remote_control")}`;
  }, [computer.value]);
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
    H: () => (showsHelp.value = true),
  });

  const state = control.state.value;
  const session = control.session.value;
  const isOver = state.kind === "ended" || state.kind === "stopped";
  const hasToolbar = !isOver && state.kind !== "loading" && state.kind !== "password";
  return (
    <main class="viewer">
      <h1 class="unseen">
        {t("remote_control")}: {computer.value}
      </h1>
      <div class="screen" ref={place} />
      {state.kind !== "connected" && (
        <Overlay state={state} computer={computer.value} control={control} onStart={start} />
      )}
      {hasToolbar && session !== null && (
        <Toolbar
          computer={computer.value}
          expiresAt={session.expires_at}
          screen={screen.value}
          options={control.limited(options.value)}
          isWatching={session.access === "view"}
          mayEnd={session.may_manage}
          link={link.value}
          clipboard={clipboard}
          isConnected={state.kind === "connected"}
          onChange={change}
          onFull={toggleFull}
          onReconnect={() => control.reconnect()}
          onHelp={() => (showsHelp.value = true)}
          onEnd={() => (isEnding.value = true)}
        />
      )}
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

/** What stands where the picture is not. */
function Overlay({
  state,
  computer,
  control,
  onStart,
}: {
  state: ViewerState;
  computer: string;
  control: RemoteControl;
  onStart: () => void;
}) {
  return (
    <div class="overlay">
      <div class="card overlay-card" role={state.kind === "password" ? undefined : "status"}>
        <OverlayFace state={state} computer={computer} control={control} onStart={onStart} />
      </div>
    </div>
  );
}

function OverlayFace({
  state,
  computer,
  control,
  onStart,
}: {
  state: ViewerState;
  computer: string;
  control: RemoteControl;
  onStart: () => void;
}) {
  const home = (
    <a class="button" href="/">
      {t("go_home")}
    </a>
  );
  switch (state.kind) {
    case "loading":
      return <Loading />;
    case "connecting":
      return <Loading text={t("connecting")} />;
    case "securing":
      return <Loading text={t("securing")} />;
    case "connected":
      return null;
    case "password":
      return <PasswordForm computer={computer} fault={state.fault} control={control} />;
    case "host_offline":
      return (
        <Face icon={MonitorOff} title={t("viewer_host_offline")}>
          <p>{t("viewer_host_offline_hint")}</p>
        </Face>
      );
    case "unreachable": {
      void now.value; // ticks
      return (
        <Face icon={Unplug} title={t("viewer_unreachable")}>
          <p aria-live="off">
            {t("viewer_unreachable_hint", { time: formatCountdown((state.retryAt - relayNow()) / 1000) })}
          </p>
          <Button kind="main" onPress={() => control.reconnect()}>
            {t("retry_now")}
          </Button>
        </Face>
      );
    }
    case "not_active":
      return (
        <Face icon={Hourglass} title={t("viewer_not_active")}>
          <p>{t("viewer_not_active_hint")}</p>
        </Face>
      );
    case "ended":
      return (
        <Face icon={CircleStop} title={t("viewer_ended")}>
          <p>{endSentence(state.reason, control.session.value?.end_sentence ?? null)}</p>
          <p>{t("viewer_ended_hint")}</p>
          {home}
        </Face>
      );
    case "stopped":
      return (
        <Face icon={TriangleAlert} title={t(state.title)}>
          {state.hint !== null && <p>{t(state.hint)}</p>}
          <Button kind="main" onPress={onStart}>
            {t("retry")}
          </Button>
          {home}
        </Face>
      );
  }
}

function PasswordForm({
  computer,
  fault,
  control,
}: {
  computer: string;
  fault: Extract<ViewerState, { kind: "password" }>["fault"];
  control: RemoteControl;
}) {
  // Kept by the page: a wrong password stays in the field for a second look.
  const password = useSignal(typedPassword);
  const isKept = useSignal(false);
  const reason = useSignal(typedReason);
  const isEmpty = useSignal(false);
  const lacksReason = useSignal(false);
  const needsReason = control.needsReason.value;
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    field.current?.focus();
    field.current?.select();
  }, [fault]);
  const submit = (event: Event): void => {
    event.preventDefault();
    isEmpty.value = password.value === "";
    lacksReason.value = needsReason && reason.value.trim() === "";
    if (isEmpty.value || lacksReason.value) return;
    typedPassword = password.value;
    typedReason = reason.value;
    control.usePassword(password.value, isKept.value, reason.value.trim());
  };
  const error = isEmpty.value ? t("password_wanted") : fault === null ? null : t(fault);
  return (
    <form class="stack" onSubmit={submit}>
      <h2>{t("connect_title", { computer })}</h2>
      <Field label={t("access_password")} hint={t("access_password_hint")}>
        {(attributes) => (
          <input
            {...attributes}
            ref={field}
            class="secret"
            type="password"
            autocomplete="off"
            aria-invalid={error !== null}
            value={password.value}
            onInput={(event) => (password.value = event.currentTarget.value)}
          />
        )}
      </Field>
      {error !== null && (
        <Notice kind="bad" live>
          {error}
        </Notice>
      )}
      {needsReason && (
        <Field
          label={t("connect_reason")}
          hint={t("connect_reason_hint")}
          error={lacksReason.value ? t("connect_reason_wanted") : null}
        >
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              maxLength={200}
              value={reason.value}
              onInput={(event) => (reason.value = event.currentTarget.value)}
            />
          )}
        </Field>
      )}
      <Tick label={t("keep_password")} checked={isKept.value} onChange={(checked) => (isKept.value = checked)} />
      <div class="row">
        <Button kind="main" type="submit" icon={KeyRound}>
          {t("connect")}
        </Button>
      </div>
    </form>
  );
}

/** What was typed last, in this page's memory only. */
let typedPassword = "";
let typedReason = "";
