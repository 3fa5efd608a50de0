/** One open session: its state, its computer, its tools; and, until it is active, its security code and link. */
import { useSignal } from "@preact/signals";
import { CircleStop, History, PencilLine, Power, UserPlus } from "lucide-preact";
import type { Session } from "../api/types";
import { counted, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button, CopyButton } from "../ui/buttons";
import { Countdown } from "../ui/countdown";
import { Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { CodePanel } from "./codePanel";
import type { Desk } from "./desk";
import { EndDialog } from "./endDialog";
import { FunnelSteps } from "./funnelSteps";
import { Link } from "./link";
import { LinkPanel } from "./linkPanel";
import { NoteDialog } from "./noteDialog";
import { SessionFacts } from "./sessionFacts";
import { ShareDialog } from "./shareDialog";
import { AccessBadge, OnlineBadge, StateBadge } from "./stateBadge";
import { Tools } from "./tools";

type Question = "end" | "share" | "note" | null;

export function SessionCard({ session, desk }: { session: Session; desk: Desk }) {
  const question = useSignal<Question>(null);
  const close = (): void => void (question.value = null);
  const pending = desk.pending.value.get(session.id) ?? null;
  const isPreparing = session.state === "prepared" || session.state === "waiting";
  const name = clean(session.host?.computer) || clean(session.customer_email, 120);
  return (
    <article class="card session stack" id={`session-${session.id}`} tabIndex={-1} aria-label={name}>
      <header class="session-head">
        <div class="row">
          <StateBadge state={session.state} />
          {session.host !== null && <OnlineBadge isOnline={session.host.online} />}
          <AccessBadge session={session} />
          {session.state === "active" && session.viewers > 0 && <span class="soft">{counted("viewers", session.viewers)}</span>}
        </div>
        <p class="session-time">
          <span class="soft">{t(session.state === "active" ? "time_left" : "lapses_in")}</span>{" "}
          <Countdown until={session.state === "active" ? session.expires_at : session.lapse_at} />
        </p>
      </header>
      <SessionFacts session={session} />
      {isPreparing && pending !== null && <CodePanel session={session} pending={pending} desk={desk} />}
      {isPreparing && pending === null && session.access === "owner" && (
        <Notice kind="info">
          <p>{t("code_elsewhere")}</p>
          <p class="hint">{t("code_elsewhere_hint")}</p>
        </Notice>
      )}
      <Warnings session={session} desk={desk} />
      {isPreparing && pending !== null && <LinkPanel session={session} pending={pending} desk={desk} />}
      {session.state === "active" && <LastChance session={session} desk={desk} />}
      {isPreparing || !session.funnel.some(({ step }) => step === "first_picture") ? (
        <FunnelSteps session={session} />
      ) : (
        <details class="past-steps">
          <summary>{t("steps")}</summary>
          <FunnelSteps session={session} />
        </details>
      )}
      <footer class="row session-tools">
        <Tools session={session} />
        <span class="push row">
          <Link class="button quiet" href={`/sessions/${encodeURIComponent(session.id)}`}>
            <Icon as={History} size={18} />
            <span>{t("details")}</span>
          </Link>
          {session.state === "active" && session.tools.control.reason === null && session.access !== "view" && (
            <a
              class="button quiet"
              href={`/session/${encodeURIComponent(session.id)}#restart`}
              target="_blank"
              rel="noopener noreferrer"
            >
              <Icon as={Power} size={18} />
              <span>{t("restart_computer")}</span>
            </a>
          )}
          {session.may_manage && (
            <>
              <Button kind="quiet" icon={PencilLine} onPress={() => (question.value = "note")}>
                {t("edit_note")}
              </Button>
              <Button kind="quiet" icon={UserPlus} onPress={() => (question.value = "share")}>
                {t("let_in_colleague")}
              </Button>
              <Button kind="danger" icon={CircleStop} onPress={() => (question.value = "end")}>
                {t("end_session")}
              </Button>
            </>
          )}
        </span>
      </footer>
      {question.value === "end" && (
        <EndDialog
          session={session}
          onClose={close}
          onEnded={(ended) => {
            close();
            desk.live.update(ended);
          }}
        />
      )}
      {question.value === "share" && <ShareDialog session={session} desk={desk} onClose={close} />}
      {question.value === "note" && <NoteDialog session={session} desk={desk} onClose={close} />}
    </article>
  );
}

/** What should make the technician look twice before going on. */
function Warnings({ session, desk }: { session: Session; desk: Desk }) {
  const earlier = desk.hostsSeen.value.get(session.id)?.slice(0, -1) ?? [];
  if (session.warnings.length === 0) return null;
  return (
    <Notice kind="warning" live>
      <p>
        <strong>{t("several_computers")}</strong>
      </p>
      <ul class="warnings">
        {session.warnings.map((warning) => (
          <li key={warning}>{clean(warning, 300)}</li>
        ))}
        {earlier.map((computer) => (
          <li key={computer}>{t("joined_before", { computer })}</li>
        ))}
      </ul>
    </Notice>
  );
}

/** The access password once more, in the tab that prepared the session, until the technician has noted it down. */
function LastChance({ session, desk }: { session: Session; desk: Desk }) {
  const password = desk.lastPasswords.value.get(session.id);
  if (password === undefined) return null;
  return (
    <Notice kind="info">
      <p>
        {t("access_password")}: <code class="secret shown-secret">{password}</code>
      </p>
      <p class="hint">{t("password_last_chance")}</p>
      <div class="row">
        <CopyButton text={() => password} label={t("copy")} />
        <Button onPress={() => desk.forgetPassword(session.id)}>{t("password_noted")}</Button>
      </div>
    </Notice>
  );
}
