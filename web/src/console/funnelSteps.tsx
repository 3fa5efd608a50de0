/** How far the customer has come: the funnel that the relay keeps, live. */
import { Circle, CircleAlert, CircleCheck, CircleDot } from "lucide-preact";
import type { Session } from "../api/types";
import { counted, language, t } from "../i18n/text";
import { formatTime } from "../text/format";
import { Icon } from "../ui/icon";
import { funnelOf, isRefusal, type Progress, type Stage } from "./funnel";

const ICONS = { done: CircleCheck, current: CircleDot, pending: Circle, failed: CircleAlert } as const;
const PROGRESS_WORDS = {
  done: "step_done",
  current: "step_current",
  pending: "step_pending",
  failed: "step_failed",
} as const satisfies Record<Progress, string>;

export function FunnelSteps({ session }: { session: Session }) {
  return (
    <section aria-label={t("steps")}>
      <ol class="steps">
        {funnelOf(session).map((stage) => (
          <Step key={stage.step} stage={stage} session={session} />
        ))}
      </ol>
    </section>
  );
}

function Step({ stage: { step, progress, at }, session }: { stage: Stage; session: Session }) {
  const isWrong = step === "wrong_code" && progress === "failed";
  return (
    <li class={`step ${progress}`} aria-current={progress === "current" ? "step" : undefined}>
      <Icon as={ICONS[progress]} size={18} />
      <span>
        {t(`step_${step}`)}
        {isWrong && ` (${counted("tries_left", session.tries_left)})`}
        <span class="unseen"> ({t(PROGRESS_WORDS[progress])})</span>
        {isRefusal(step) && progress === "failed" && <span class="step-advice">{t(`advice_${step}`)}</span>}
      </span>
      {at !== null && (
        <time class="soft tabular" datetime={at}>
          {formatTime(at, language.value)}
        </time>
      )}
    </li>
  );
}
