/** The security code: the largest thing on the page while somebody is waiting for it. */
import { useSignal } from "@preact/signals";
import { RefreshCw } from "lucide-preact";
import { now } from "../api/clock";
import type { Session } from "../api/types";
import { counted, language, t, textIn, type PlainKey } from "../i18n/text";
import { secondsLeft, type Pending } from "../keeping/pending";
import type { PairingState } from "../pairing/driver";
import { codeGroups, formatCountdown, isoDuration, spokenCode } from "../text/format";
import { Button, CopyButton } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import type { Desk } from "./desk";

const SENTENCES: Readonly<Record<PairingState["step"], { key: PlainKey; kind: "info" | "good" | "warning" } | null>> = {
  paused: null,
  waiting_host: { key: "pairing_waiting_host", kind: "info" },
  connecting: { key: "pairing_waiting_host", kind: "info" },
  waiting_code: { key: "pairing_waiting_code", kind: "good" },
  checking: { key: "pairing_checking", kind: "info" },
  asking: { key: "pairing_asking", kind: "good" },
  paired: { key: "pairing_done", kind: "good" },
  unreachable: { key: "pairing_unreachable", kind: "warning" },
  other_tab: { key: "pairing_other_tab", kind: "info" },
};

const FAULTS = {
  wrong_code: "pairing_wrong_code",
  declined: "pairing_declined",
  failed: "pairing_failed",
} as const;

export function CodePanel({ session, pending, desk }: { session: Session; pending: Pending; desk: Desk }) {
  void now.value; // ticks
  const left = secondsLeft(pending, Date.now());
  const isDead = session.tries >= session.max_tries || pending.slot !== session.code;
  const state = desk.pairingOf(session.id);
  const isUsed = state.step === "asking" || state.step === "paired";
  return (
    <section class="code-panel" aria-label={t("security_code")}>
      <h3>{t("security_code")}</h3>
      {isUsed ? (
        <p class="code-used">{t("code_used")}</p>
      ) : isDead || left <= 0 ? (
        <Gone session={session} desk={desk} isDead={isDead} />
      ) : (
        <Code session={session} pending={pending} left={left} />
      )}
      <div role="status" class="stack">
        {state.fault !== null && !isDead && (
          <Notice kind="warning">
            {t(FAULTS[state.fault])}
          </Notice>
        )}
        {state.problem !== null && <Notice kind="bad">{t("pairing_not_stored", { detail: state.problem })}</Notice>}
        <Progress state={state} />
      </div>
    </section>
  );
}

function Progress({ state }: { state: PairingState }) {
  const sentence = SENTENCES[state.step];
  // A fault says already what to do next.
  if (sentence === null || (state.fault !== null && state.step === "waiting_code")) return null;
  return <Notice kind={sentence.kind}>{t(sentence.key)}</Notice>;
}

function Code({ session, pending, left }: { session: Session; pending: Pending; left: number }) {
  const code = spokenCode(pending.code);
  return (
    <>
      <output class="code" aria-label={code} data-testid="security-code">
        {codeGroups(pending.code).map((group, index) => (
          <span key={index}>{group}</span>
        ))}
      </output>
      <div class="row code-facts">
        <CopyButton text={() => pending.code} label={t("code_copy")} />
        <span>
          {/* The sentence's own word order decides where the time stands. */}
          <time class="countdown" datetime={isoDuration(left)}>
            {t("code_valid_for", { time: formatCountdown(left) })}
          </time>
        </span>
        <span>{counted("tries_left", session.max_tries - session.tries)}</span>
      </div>
      <div class="say">
        <p class="soft">{t("code_say")}</p>
        <blockquote>{t("code_say_sentence", { code })}</blockquote>
        {session.language !== language.value && (
          <blockquote lang={session.language}>{textIn(session.language, "code_say_sentence", { code })}</blockquote>
        )}
      </div>
    </>
  );
}

/** A code that is over: another one at the press of a button, as long as there are any. */
function Gone({ session, desk, isDead }: { session: Session; desk: Desk; isDead: boolean }) {
  const isBusy = useSignal(false);
  const fault = useSignal<string | null>(null);
  const codesLeft = session.max_codes - session.code;
  const isLast = isDead && session.tries >= session.max_tries && codesLeft <= 0;
  const renew = async (): Promise<void> => {
    isBusy.value = true;
    fault.value = null;
    try {
      await desk.renewCode(session.id);
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <>
      <p>{t(isLast ? "code_last_dead" : isDead ? "code_dead" : "code_lapsed")}</p>
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      {!isLast && (
        <div class="row">
          <Button kind="main" icon={RefreshCw} disabled={isBusy.value} onPress={() => void renew()}>
            {t("code_new")}
          </Button>
          {isDead && <span class="soft">{counted("codes_left", codesLeft)}</span>}
        </div>
      )}
    </>
  );
}
