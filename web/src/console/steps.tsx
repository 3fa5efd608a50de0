/** How far the customer has come: the funnel that the relay keeps, live. */
import { Circle, CircleCheck, CircleDot } from "lucide-preact";
import type { Session } from "../api/types";
import { counted, language, t } from "../i18n/text";
import { formatTime } from "../text/format";
import { Icon } from "../ui/icon";

const STEPS = ["mail_accepted", "link_opened", "host_downloaded", "started", "waiting_code", "active"] as const;

export function Steps({ session }: { session: Session }) {
  const reached = new Map(session.funnel.map(({ step, at }) => [step, at]));
  const wrongCodes = session.funnel.filter(({ step }) => step === "wrong_code").length;
  // A link that was copied is never mailed, and a program may be started without a second download.
  const last = STEPS.findLastIndex((step) => reached.has(step));
  const shown = STEPS.filter((step, index) => reached.has(step) || index > last);
  const current = shown.find((step) => !reached.has(step) && step !== "mail_accepted");
  return (
    <section aria-label={t("steps")}>
      <ol class="steps">
        {shown
          .filter((step) => step !== "mail_accepted" || reached.has(step))
          .map((step) => {
            const at = reached.get(step);
            const progress = at !== undefined ? "done" : step === current ? "current" : "pending";
            return (
              <li key={step} class={`step ${progress}`} aria-current={progress === "current" ? "step" : undefined}>
                <Icon as={{ done: CircleCheck, current: CircleDot, pending: Circle }[progress]} size={18} />
                <span>
                  {t(`step_${step}`)}
                  <span class="unseen"> ({t(`step_${progress}`)})</span>
                </span>
                {at !== undefined && (
                  <time class="soft tabular" datetime={at}>
                    {formatTime(at, language.value)}
                  </time>
                )}
              </li>
            );
          })}
      </ol>
      {wrongCodes > 0 && <p class="hint">{counted("wrong_codes", wrongCodes)}</p>}
    </section>
  );
}
