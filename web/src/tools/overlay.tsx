/** What a tool's page shows while there is no connection: why not, what happens next, and the access password's field. */
import { useSignal } from "@preact/signals";
import { CirclePause, CircleStop, Hourglass, KeyRound, MonitorOff, TriangleAlert, Unplug } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { now, relayNow } from "../api/clock";
import type { Chat } from "../chat/chat";
import { endSentence } from "../console/ends";
import { t } from "../i18n/text";
import { formatCountdown } from "../text/format";
import { Button } from "../ui/buttons";
import { Face, Loading, Notice } from "../ui/faces";
import { Field, Tick } from "../ui/field";
import type { ToolConnection, ViewerState } from "./connection";

/** What stands where the tool is not. */
export function Overlay({
  state,
  computer,
  connection,
  chat,
  onStart,
}: {
  state: ViewerState;
  computer: string;
  connection: ToolConnection;
  chat: Chat;
  onStart: () => void;
}) {
  return (
    <div class="overlay">
      <div class="card overlay-card" role={state.kind === "password" ? undefined : "status"}>
        <OverlayFace state={state} computer={computer} connection={connection} chat={chat} onStart={onStart} />
      </div>
    </div>
  );
}

function OverlayFace({
  state,
  computer,
  connection,
  chat,
  onStart,
}: {
  state: ViewerState;
  computer: string;
  connection: ToolConnection;
  chat: Chat;
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
      return <PasswordForm computer={computer} fault={state.fault} connection={connection} chat={chat} />;
    case "host_offline":
      if (connection.restarting.value !== null) {
        return (
          <Face icon={Hourglass} title={t("viewer_restarting")}>
            <p>{t(`viewer_restarting_${connection.restarting.value}`)}</p>
          </Face>
        );
      }
      return (
        <Face icon={MonitorOff} title={t("viewer_host_offline")}>
          <p>{t("viewer_host_offline_hint")}</p>
        </Face>
      );
    case "waiting":
      return (
        <Face icon={CirclePause} title={t(state.title)}>
          <p>{t("viewer_waiting_hint")}</p>
        </Face>
      );
    case "unreachable": {
      void now.value; // ticks
      return (
        <Face icon={Unplug} title={t("viewer_unreachable")}>
          <p aria-live="off">
            {t("viewer_unreachable_hint", { time: formatCountdown((state.retryAt - relayNow()) / 1000) })}
          </p>
          <Button kind="main" onPress={() => connection.reconnect()}>
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
          <p>{endSentence(state.reason, connection.session.value?.end_sentence ?? null)}</p>
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
  connection,
  chat,
}: {
  computer: string;
  fault: Extract<ViewerState, { kind: "password" }>["fault"];
  connection: ToolConnection;
  chat: Chat;
}) {
  // Kept by the page: a wrong password stays in the field for a second look.
  const password = useSignal(typedPassword);
  const isKept = useSignal(false);
  const reason = useSignal(typedReason);
  const isEmpty = useSignal(false);
  const lacksReason = useSignal(false);
  const needsReason = connection.needsReason.value;
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
    connection.usePassword(password.value, isKept.value, reason.value.trim());
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
      {connection.session.value?.access !== "view" && (
        <Tick label={t("chat_begin")} hint={t("chat_begin_hint")} checked={chat.isWanted.value} onChange={(isWanted) => (chat.isWanted.value = isWanted)} />
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
