/** What happens next, and which of it is happening on the computer just now. */
import { CircleCheck } from "lucide-preact";
import type { LinkStep } from "../api/types";
import { t } from "../i18n/text";
import { Icon } from "../ui/icon";

/** Which of the three steps is to be done now, 0 … 2. */
export function currentStep(step: LinkStep): number {
  if (step === "waiting_code" || step === "wrong_code") return 1;
  return step === "active" ? 2 : 0;
}

function saidOf(step: LinkStep): string {
  switch (step) {
    case "host_downloaded":
      return t("customer_step_downloaded");
    case "started":
      return t("customer_step_started");
    case "asking_rights":
      return t("customer_step_rights");
    case "waiting_code":
      return t("customer_step_code");
    case "wrong_code":
      return t("customer_step_wrong_code");
    default:
      return "";
  }
}

export function NextSteps({ step }: { step: LinkStep }) {
  const current = currentStep(step);
  const said = saidOf(step);
  const steps = [t("customer_next_1"), t("customer_next_2"), t("customer_next_3")];
  return (
    <section class="card stack" aria-labelledby="next">
      <h2 id="next">{t("customer_next")}</h2>
      <ol class="next">
        {steps.map((sentence, place) => (
          <li class={place < current ? "done" : ""} aria-current={place === current ? "step" : undefined}>
            <p>
              {place < current && <Icon as={CircleCheck} />} {sentence}
            </p>
          </li>
        ))}
      </ol>
      <p class="now" role="status">
        {said}
      </p>
    </section>
  );
}
