/** One session and its story: who connected when, how long, with which tool, why it ended, and the customer's receipt. */
import { ArrowLeft, CircleAlert, ScrollText } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { api } from "../api/client";
import { followClock } from "../api/clock";
import type { Me, Session } from "../api/types";
import { useDesk } from "../console/desk";
import { endSentence } from "../console/ends";
import { Frame } from "../console/frame";
import { FunnelSteps } from "../console/funnelSteps";
import { Link } from "../console/link";
import { SessionFacts } from "../console/sessionFacts";
import { AccessBadge, OnlineBadge, RemovalBadge, StateBadge } from "../console/stateBadge";
import { Tools } from "../console/tools";
import { language, t } from "../i18n/text";
import { formatMoment } from "../text/format";
import { ReceiptPaper } from "../receipt/receipt";
import { Countdown } from "../ui/countdown";
import { Face, Loading, Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { type Loaded, useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { mayConnect } from "../console/rights";
import { Events } from "./events";
import { Uses } from "./uses";

export function SessionPage({ me, sessionId, onSignedOut }: { me: Me; sessionId: string; onSignedOut: () => void }) {
  const desk = useDesk(me, onSignedOut);
  const loaded = useLoaded(async () => {
    const answer = await api.session(sessionId);
    followClock(answer.now);
    return answer.session;
  });
  const session = desk.live.get(sessionId) ?? loaded.value.value;
  return (
    <Frame me={me} page="support" onSignedOut={onSignedOut}>
      <main class="office wide stack story">
        <Link class="back" href="/">
          <Icon as={ArrowLeft} size={18} />
          <span>{t("back_to_sessions")}</span>
        </Link>
        {session !== null ? (
          <Story session={session} me={me} />
        ) : loaded.fault.value === null ? (
          <Loading />
        ) : (
          <Face icon={CircleAlert} title={t("viewer_no_session")} heading="h1">
            <p role="alert">{loaded.fault.value}</p>
          </Face>
        )}
      </main>
    </Frame>
  );
}

function Story({ session, me }: { session: Session; me: Me }) {
  const history = useLoaded(() => api.history(session.id));
  const isEnded = session.state === "ended";
  useEffect(() => void history.load(), [session.state, session.viewers, session.removal]);
  // While somebody is connected there is always more to come: they open and close tools.
  useSettled(history, ({ uses }) => session.viewers === 0 && uses.every(({ ended_at }) => ended_at !== null));
  return (
    <>
      <section class="card stack" aria-labelledby="story-title">
        <div class="session-head">
          <h1 id="story-title">{t("session_title", { moment: formatMoment(session.created_at, language.value) })}</h1>
          {!isEnded && (
            <p class="session-time">
              <span class="soft">{t(session.state === "active" ? "time_left" : "lapses_in")}</span>{" "}
              <Countdown until={session.state === "active" ? session.expires_at : session.lapse_at} />
            </p>
          )}
        </div>
        <div class="row">
          <StateBadge state={session.state} />
          {!isEnded && session.host !== null && <OnlineBadge isOnline={session.host.online} />}
          <RemovalBadge removal={session.removal} />
          <AccessBadge session={session} />
        </div>
        {isEnded && (
          <p>
            <strong>{endSentence(session.end_reason, session.end_sentence)}</strong>{" "}
            {session.ended_at !== null && formatMoment(session.ended_at, language.value)}
          </p>
        )}
        {session.is_forgotten && <Notice kind="info">{t("forgotten")}</Notice>}
        <SessionFacts session={session} />
        <FunnelSteps session={session} />
        {!isEnded && mayConnect(me, session) && (
          <div class="row">
            <Tools session={session} />
          </div>
        )}
        {me.permissions.includes("audit.read") && (
          <p>
            <Link class="with-icon" href={`/audit?session=${encodeURIComponent(session.id)}`}>
              <Icon as={ScrollText} size={18} />
              <span>{t("in_audit_log")}</span>
            </Link>
          </p>
        )}
      </section>
      <LoadedPart loaded={history}>
        {({ uses, events }) => (
          <>
            <Uses uses={uses} />
            <Events events={events} />
          </>
        )}
      </LoadedPart>
      {isEnded && <Receipted session={session} />}
    </>
  );
}

function Receipted({ session }: { session: Session }) {
  const receipt = useLoaded(() => api.receipt(session.id));
  useEffect(() => void receipt.load(), [session.removal]);
  useSettled(receipt, ({ uses }) => uses.every(({ ended_at }) => ended_at !== null));
  return <LoadedPart loaded={receipt}>{(found) => <ReceiptPaper receipt={found} />}</LoadedPart>;
}

/** Between two looks, milliseconds; the relay writes down within half of it that a tool was opened or closed. */
const LOOK_AGAIN_AFTER = 1000;

/** Loads again until all that has happened is written down. */
function useSettled<T>(loaded: Loaded<T>, isSettled: (value: T) => boolean): void {
  const value = loaded.value.value;
  const goesOn = value !== null && !isSettled(value);
  useEffect(() => {
    if (!goesOn) return undefined;
    const timer = setTimeout(() => void loaded.load(), LOOK_AGAIN_AFTER);
    return () => clearTimeout(timer);
  }, [value, goesOn]);
}
