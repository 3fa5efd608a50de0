/** The Ad Hoc Support page: prepare a session, follow the open ones, look back at the ended ones. */
import { useSignal } from "@preact/signals";
import { CircleAlert, Keyboard, LogOut, MonitorCheck, MonitorOff } from "lucide-preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { api } from "../api/client";
import { startClock } from "../api/clock";
import type { Me } from "../api/types";
import { language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button, copyText } from "../ui/buttons";
import { Face, Loading, Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { LanguageSwitch } from "../ui/language";
import { Desk } from "./desk";
import { EndedSessions, RemovalBadge, endSentence } from "./endedSessions";
import { PrepareCard } from "./prepareCard";
import { saveLanguage } from "./preferences";
import { SessionCard } from "./sessionCard";
import { ShortcutDialog, isTyping } from "./shortcuts";

export function SupportPage({ me, onSignedOut }: { me: Me; onSignedOut: () => void }) {
  const desk = useMemo(() => new Desk(me), [me]);
  const showsShortcuts = useSignal(false);
  const focusWanted = useRef<string | null>(null);
  useEffect(() => {
    const running = new AbortController();
    const stopClock = startClock();
    void desk.run(running.signal);
    return () => {
      running.abort();
      stopClock();
    };
  }, [desk]);
  useEffect(() => {
    if (desk.live.state.value === "signed_out") onSignedOut();
  }, [desk.live.state.value]);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      if (event.key === "?") showsShortcuts.value = true;
      else if (event.key === "p") document.querySelector<HTMLElement>(".prepare input[type=email]")?.focus();
      else if (event.key === "s") document.querySelector<HTMLElement>(".session")?.focus();
      else if (event.key === "c") void copyText([...desk.pending.peek().values()][0]?.code ?? "");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [desk]);
  const show = (session: string): void => {
    const card = document.getElementById(`session-${session}`);
    card?.scrollIntoView({ block: "start" });
    card?.focus({ preventScroll: true });
    focusWanted.current = card === null ? session : null;
  };
  useEffect(() => {
    if (focusWanted.current !== null) show(focusWanted.current);
  }, [desk.live.open.value]);
  const signOut = async (): Promise<void> => {
    // Signed out is what the technician wants to be, also if the relay cannot be told: the cookie lapses by itself.
    await api.signOut().catch(() => undefined);
    onSignedOut();
  };
  return (
    <>
      <header class="page-head">
        <p class="brand">
          <Icon as={MonitorCheck} size={24} />
          <span>{clean(me.company.name)}</span>
        </p>
        <div class="row">
          <span class="soft who">{clean(me.technician.name)}</span>
          <LanguageSwitch onChange={saveLanguage} />
          <Button
            kind="quiet"
            icon={Keyboard}
            label={t("shortcuts")}
            onPress={() => (showsShortcuts.value = true)}
          >
            <span class="narrow-hidden">{t("shortcuts")}</span>
          </Button>
          <Button kind="quiet" icon={LogOut} onPress={() => void signOut()}>
            {t("sign_out")}
          </Button>
        </div>
      </header>
      <main class="support">
        <h1 class="unseen">{t("product")}</h1>
        <PrepareCard
          me={me}
          pendings={desk.pendings}
          stateOf={(session) => desk.live.get(session)?.state}
          onPrepared={(prepared) => {
            desk.addPrepared(prepared);
            focusWanted.current = prepared.session.id;
            requestAnimationFrame(() => show(prepared.session.id));
          }}
          onShow={show}
        />
        <section class="stack sessions" aria-labelledby="sessions-title" lang={language.value}>
          <h2 id="sessions-title">{t("sessions")}</h2>
          <JustEnded desk={desk} />
          <OpenSessions desk={desk} />
          <EndedSessions desk={desk} />
        </section>
      </main>
      {showsShortcuts.value && <ShortcutDialog page="support" onClose={() => (showsShortcuts.value = false)} />}
    </>
  );
}

/** What ended while the technician was looking, until they have seen it. */
function JustEnded({ desk }: { desk: Desk }) {
  const sessions = desk.live.ended.value.filter((session) => desk.justEnded.value.has(session.id));
  return (
    <>
      {sessions.map((session) => (
        <Notice key={session.id} kind="info" live>
          <p>
            <strong>{clean(session.host?.computer) || clean(session.customer_email, 120)}</strong>:{" "}
            {endSentence(session.end_reason, session.end_sentence)} <RemovalBadge session={session} />
          </p>
          <Button onPress={() => desk.dismissEnded(session.id)}>{t("close")}</Button>
        </Notice>
      ))}
    </>
  );
}

function OpenSessions({ desk }: { desk: Desk }) {
  const state = desk.live.state.value;
  const open = desk.live.open.value;
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
