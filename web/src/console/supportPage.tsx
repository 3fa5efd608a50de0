/** The Ad Hoc Support page: prepare a session, follow the open ones, and find any other in the list. */
import { useSignal } from "@preact/signals";
import { Keyboard } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import type { Me } from "../api/types";
import { language, t } from "../i18n/text";
import { Button, copyText } from "../ui/buttons";
import { useDesk } from "./desk";
import { Frame } from "./frame";
import { JustEnded, OpenSessions } from "./openSessions";
import { PrepareCard } from "./prepareCard";
import { SessionTable } from "./sessionTable";
import { ShortcutDialog, isTyping } from "./shortcuts";

export function SupportPage({ me, onSignedOut }: { me: Me; onSignedOut: () => void }) {
  const desk = useDesk(me, onSignedOut);
  const showsShortcuts = useSignal(false);
  const focusWanted = useRef<string | null>(null);
  const mayPrepare = me.permissions.includes("sessions.use");
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (isTyping(event)) return;
      if (event.key === "?") showsShortcuts.value = true;
      else if (event.key === "p") focusOn(".prepare input[type=email]");
      else if (event.key === "s") focusOn(".session");
      else if (event.key === "j") stepCards(1);
      else if (event.key === "k") stepCards(-1);
      else if (event.key === "/") focusOn(".list-search");
      else if (event.key === "c") void copyText([...desk.pending.peek().values()][0]?.code ?? "");
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [desk]);
  // An auditor's own sessions are none: they begin with the company's.
  useEffect(() => {
    if (!mayPrepare && me.permissions.includes("sessions.all.read")) void desk.list.change({ scope: "company" });
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
  const shortcuts = (
    <Button kind="quiet" icon={Keyboard} label={t("shortcuts")} onPress={() => (showsShortcuts.value = true)}>
      <span class="narrow-hidden">{t("shortcuts")}</span>
    </Button>
  );
  return (
    <Frame me={me} page="support" actions={shortcuts} onSignedOut={onSignedOut}>
      <main class={mayPrepare ? "support" : "support one-column"}>
        <h1 class="unseen">{t("product")}</h1>
        {mayPrepare && (
          <PrepareCard
            me={me}
            desk={desk}
            onPrepared={(prepared) => {
              desk.addPrepared(prepared);
              focusWanted.current = prepared.session.id;
              requestAnimationFrame(() => show(prepared.session.id));
            }}
            onShow={show}
          />
        )}
        {mayPrepare && (
          <section class="stack sessions" aria-labelledby="sessions-title" lang={language.value}>
            <h2 id="sessions-title">{t("sessions")}</h2>
            <JustEnded desk={desk} />
            <OpenSessions desk={desk} />
          </section>
        )}
        <SessionTable desk={desk} me={me} />
      </main>
      {showsShortcuts.value && <ShortcutDialog page="support" onClose={() => (showsShortcuts.value = false)} />}
    </Frame>
  );
}

function focusOn(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus();
}

/** Moves the focus to the next card, or the one before; from elsewhere to the first. */
function stepCards(by: 1 | -1): void {
  const cards = [...document.querySelectorAll<HTMLElement>(".session")];
  const at = cards.findIndex((card) => card.contains(document.activeElement));
  cards[at < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, at + by))]?.focus();
}
