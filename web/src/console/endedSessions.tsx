/** Looking back: ended sessions, why they ended, and whether the host is known to be gone. Loaded when opened. */
import { useSignal } from "@preact/signals";
import { ShieldCheck, ShieldQuestion } from "lucide-preact";
import { api } from "../api/client";
import { followClock } from "../api/clock";
import type { Session } from "../api/types";
import { language, t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Loading, Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import type { Desk } from "./desk";
import { StateBadge } from "./stateBadge";

/** The sentence for a session's end, in the page's language. */
export function endSentence(reason: string | null, fallback: string | null = null): string {
  return textIfAny(`reason_${reason}`) ?? (clean(fallback, 200) || t("reason_unknown"));
}

export function EndedSessions({ desk }: { desk: Desk }) {
  const isLoading = useSignal(false);
  const fault = useSignal<string | null>(null);
  const load = async (): Promise<void> => {
    isLoading.value = true;
    fault.value = null;
    try {
      const answer = await api.sessions(true);
      followClock(answer.now);
      for (const session of answer.sessions) desk.live.update(session);
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      isLoading.value = false;
    }
  };
  const ended = desk.live.ended.value;
  return (
    <details
      class="ended"
      onToggle={(event) => {
        if (event.currentTarget.open) void load();
      }}
    >
      <summary>{t("ended_sessions")}</summary>
      <div class="stack ended-body">
        {isLoading.value && ended.length === 0 && <Loading />}
        {fault.value !== null && (
          <Notice kind="bad" live>
            <p>{fault.value}</p>
            <Button onPress={() => void load()}>{t("retry")}</Button>
          </Notice>
        )}
        {!isLoading.value && fault.value === null && ended.length === 0 && <p class="soft">{t("no_ended_sessions")}</p>}
        {ended.length > 0 && (
          <ul class="ended-list">
            {ended.map((session) => (
              <Ended key={session.id} session={session} />
            ))}
          </ul>
        )}
      </div>
    </details>
  );
}

const REMOVALS = {
  confirmed: { icon: ShieldCheck, word: "removal_confirmed", kind: "good" },
  pending: { icon: ShieldQuestion, word: "removal_pending", kind: "open" },
  none: null,
} as const;

/** Whether the host is known to be gone: never guessed. */
export function RemovalBadge({ session }: { session: Session }) {
  const removal = REMOVALS[session.removal];
  if (removal === null) return null;
  return (
    <span class={`badge removal-${removal.kind}`}>
      <Icon as={removal.icon} size={16} />
      {t(removal.word)}
    </span>
  );
}

function Ended({ session }: { session: Session }) {
  const computer = clean(session.host?.computer);
  return (
    <li class="ended-session">
      <div class="row">
        <StateBadge state="ended" />
        <RemovalBadge session={session} />
      </div>
      <p>
        <strong>{computer || t("computer_never")}</strong> · {clean(session.customer_email, 120)}
        {session.note !== "" && ` · ${clean(session.note, 120)}`}
      </p>
      <p class="soft">
        {endSentence(session.end_reason, session.end_sentence)}{" "}
        {session.ended_at !== null && formatMoment(session.ended_at, language.value)} · {clean(session.technician.name)}
      </p>
    </li>
  );
}
