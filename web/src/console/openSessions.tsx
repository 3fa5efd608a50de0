/** The open sessions that the technician works with, as cards; and what ended while they were looking. */
import { CircleAlert, MonitorOff } from "lucide-preact";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Face, Loading, Notice } from "../ui/faces";
import type { Desk } from "./desk";
import { endSentence } from "./ends";
import { SessionCard } from "./sessionCard";
import { RemovalBadge } from "./stateBadge";

export function OpenSessions({ desk }: { desk: Desk }) {
  const state = desk.live.state.value;
  const open = desk.live.open.value.filter(({ access }) => access !== "read");
  if (open.length === 0 && state === "loading") return <Loading />;
  if (open.length === 0 && state === "failed") {
    return (
      <div class="card">
        <Face icon={CircleAlert} title={t("sessions_failed")} heading="h3">
          <p role="status">{t("viewer_unreachable")}…</p>
        </Face>
      </div>
    );
  }
  return (
    <>
      {(state === "offline" || state === "failed") && (
        <Notice kind="warning" live>
          {t("feed_offline")}
        </Notice>
      )}
      {open.length === 0 ? (
        <div class="card">
          <Face icon={MonitorOff} title={t("no_sessions")} heading="h3">
            <p>{t("no_sessions_hint")}</p>
          </Face>
        </div>
      ) : (
        open.map((session) => <SessionCard key={session.id} session={session} desk={desk} />)
      )}
    </>
  );
}

/** What ended while the technician was looking, until they have seen it. */
export function JustEnded({ desk }: { desk: Desk }) {
  const sessions = desk.live.ended.value.filter((session) => desk.justEnded.value.has(session.id));
  return (
    <>
      {sessions.map((session) => (
        <Notice key={session.id} kind="info" live>
          <p>
            <strong>{clean(session.host?.computer) || clean(session.customer_email, 120)}</strong>:{" "}
            {endSentence(session.end_reason, session.end_sentence)} <RemovalBadge removal={session.removal} />
          </p>
          <Button onPress={() => desk.dismissEnded(session.id)}>{t("close")}</Button>
        </Notice>
      ))}
    </>
  );
}
