/** One open session: its state, its computer, its tools; and, until it is active, its security code and link. */
import { useSignal } from "@preact/signals";
import { CircleStop, FolderOpen, Gauge, MousePointerClick } from "lucide-preact";
import type { Session, Tool } from "../api/types";
import { counted, t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { Button, CopyButton } from "../ui/buttons";
import { Countdown } from "../ui/countdown";
import { Notice } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import { CodePanel } from "./codePanel";
import type { Desk } from "./desk";
import { EndDialog } from "./endDialog";
import { LinkPanel } from "./linkPanel";
import { OnlineBadge, StateBadge } from "./stateBadge";
import { Steps } from "./steps";

export function SessionCard({ session, desk }: { session: Session; desk: Desk }) {
  const isEnding = useSignal(false);
  const pending = desk.pending.value.get(session.id) ?? null;
  const isPreparing = session.state === "prepared" || session.state === "waiting";
  const computer = clean(session.host?.computer);
  return (
    <article class="card session stack" id={`session-${session.id}`} tabIndex={-1} aria-label={computer || session.customer_email}>
      <header class="session-head">
        <div class="row">
          <StateBadge state={session.state} />
          {session.host !== null && <OnlineBadge isOnline={session.host.online} />}
          {session.state === "active" && session.viewers > 0 && <span class="soft">{counted("viewers", session.viewers)}</span>}
        </div>
        <p class="session-time">
          <span class="soft">{t(session.state === "active" ? "time_left" : "lapses_in")}</span>{" "}
          <Countdown until={session.state === "active" ? session.expires_at : session.lapse_at} />
        </p>
      </header>
      <Facts session={session} />
      {isPreparing && pending !== null && <CodePanel session={session} pending={pending} desk={desk} />}
      {isPreparing && pending === null && (
        <Notice kind="info">
          <p>{t("code_elsewhere")}</p>
          <p class="hint">{t("code_elsewhere_hint")}</p>
        </Notice>
      )}
      <Warnings session={session} desk={desk} />
      {isPreparing && pending !== null && <LinkPanel session={session} pending={pending} desk={desk} />}
      {session.state === "active" && <LastChance session={session} desk={desk} />}
      {isPreparing && <Steps session={session} />}
      <footer class="row session-tools">
        {session.state === "active" && <Tools session={session} />}
        <span class="push">
          <Button kind="danger" icon={CircleStop} onPress={() => (isEnding.value = true)}>
            {t("end_session")}
          </Button>
        </span>
      </footer>
      {isEnding.value && (
        <EndDialog
          session={session}
          onClose={() => (isEnding.value = false)}
          onEnded={(ended) => {
            isEnding.value = false;
            desk.live.update(ended);
          }}
        />
      )}
    </article>
  );
}

/** Who and what; everything that others wrote goes through `clean`. */
function Facts({ session }: { session: Session }) {
  const { host } = session;
  return (
    <dl class="facts">
      <div class="fact wide">
        <dt>{t("computer")}</dt>
        <dd class={host === null ? "soft" : "computer"}>{host === null ? t("computer_none") : clean(host.computer)}</dd>
        {session.state === "waiting" && <dd class="hint">{t("check_computer")}</dd>}
      </div>
      {host !== null && (
        <>
          <div class="fact">
            <dt>{t("system")}</dt>
            <dd>{clean(host.os)}</dd>
          </div>
          <div class="fact">
            <dt>{t("user")}</dt>
            <dd>{clean(host.user)}</dd>
          </div>
        </>
      )}
      <div class="fact">
        <dt>{t("customer")}</dt>
        <dd>{clean(session.customer_email, 120)}</dd>
      </div>
      <div class="fact">
        <dt>{t("technician")}</dt>
        <dd>{clean(session.technician.name)}</dd>
      </div>
      {session.note !== "" && (
        <div class="fact">
          <dt>{t("note")}</dt>
          <dd>{clean(session.note, 500)}</dd>
        </div>
      )}
    </dl>
  );
}

/** What should make the technician look twice before going on. */
function Warnings({ session, desk }: { session: Session; desk: Desk }) {
  const earlier = desk.hostsSeen.value.get(session.id)?.slice(0, -1) ?? [];
  if (session.state === "ended") return null;
  return (
    <>
      {session.warnings.length > 0 && (
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
      )}
    </>
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

const GATED: readonly { readonly tool: Tool; readonly word: PlainKey; readonly icon: IconType }[] = [
  { tool: "files", word: "file_manager", icon: FolderOpen },
  { tool: "dashboard", word: "dashboard", icon: Gauge },
];

/** Remote Control, and the tools that the plan lacks, with that reason. Tools that do not exist yet are not shown. */
function Tools({ session }: { session: Session }) {
  const isOnline = session.host?.online === true;
  return (
    <>
      <a
        class="button main"
        href={`/session/${encodeURIComponent(session.id)}`}
        target="_blank"
        rel="noopener noreferrer"
        aria-describedby={isOnline ? undefined : `offline-${session.id}`}
      >
        <Icon as={MousePointerClick} size={18} />
        <span>{t("remote_control")}</span>
      </a>
      {GATED.filter(({ tool }) => session.tools[tool]?.reason === "plan").map(({ tool, word, icon }) => (
        <span key={tool} class="gated">
          <Button icon={icon} disabled label={`${t(word)}: ${t("tool_plan")}`}>
            {t(word)}
          </Button>
          <span class="hint">{t("tool_plan")}</span>
        </span>
      ))}
      {!isOnline && (
        <p class="hint" id={`offline-${session.id}`}>
          {t("tool_offline")}
        </p>
      )}
    </>
  );
}
