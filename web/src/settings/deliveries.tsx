import { RefreshCw, RotateCcw } from "lucide-preact";
import { type Delivery, type Webhook, webhooksApi } from "../api/company";
import { counted, language, t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";
import { formatMoment } from "../text/format";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { useSubmission } from "../ui/form";
import type { Loaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { eventWord } from "./events";

const COLOURS: Readonly<Record<string, string>> = { sent: "active", delivered: "active", failed: "offline" };

/** What became of the last events; one that failed can be sent again. */
export function Deliveries({
  webhook,
  deliveries,
}: {
  webhook: Webhook;
  deliveries: Loaded<{ deliveries: readonly Delivery[] }>;
}) {
  const submission = useSubmission();
  const retry = async (delivery: Delivery): Promise<void> => {
    await webhooksApi.retry(webhook.id, delivery.id);
    await deliveries.load();
  };
  return (
    <section class="stack tight" aria-label={t("deliveries")}>
      <div class="card-head">
        <h3>{t("deliveries")}</h3>
        <Button kind="quiet" icon={RefreshCw} onPress={() => void deliveries.load()}>
          {t("refresh")}
        </Button>
      </div>
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <LoadedPart loaded={deliveries}>
        {(known) =>
          known.deliveries.length === 0 ? (
            <p class="soft">{t("deliveries_none")}</p>
          ) : (
            <ul class="things">
              {known.deliveries.map((delivery) => (
                <li key={delivery.id} class="thing">
                  <div class="thing-text">
                    <div class="row">
                      <span class={`badge ${COLOURS[delivery.state] ?? "prepared"}`}>
                        {textIfAny(`delivery_${delivery.state}`) ?? clean(delivery.state)}
                      </span>
                      <strong>{eventWord(delivery.event)}</strong>
                    </div>
                    <span class="soft">{aboutDelivery(delivery)}</span>
                  </div>
                  {delivery.state === "failed" && (
                    <Button
                      kind="quiet"
                      icon={RotateCcw}
                      disabled={submission.isBusy.value}
                      onPress={() => void submission.send(() => retry(delivery))}
                    >
                      {t("delivery_retry")}
                    </Button>
                  )}
                </li>
              ))}
            </ul>
          )
        }
      </LoadedPart>
    </section>
  );
}

function aboutDelivery(delivery: Delivery): string {
  const parts = [formatMoment(delivery.created_at, language.value), counted("attempts", delivery.attempts)];
  if (delivery.last_status !== null) parts.push(`HTTP ${delivery.last_status}`);
  if (delivery.detail !== "") parts.push(clean(delivery.detail, 200));
  return parts.join(" · ");
}
