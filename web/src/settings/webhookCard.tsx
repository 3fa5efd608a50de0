import { useSignal } from "@preact/signals";
import { Pause, Pencil, Play, Send, Trash2 } from "lucide-preact";
import { type Webhook, webhooksApi } from "../api/company";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Asking } from "../ui/asking";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { useSubmission } from "../ui/form";
import { useLoaded } from "../ui/load";
import { StateMark } from "../ui/stateMark";
import { Deliveries } from "./deliveries";
import { eventWord, inOrder } from "./events";
import { WebhookForm } from "./webhookForm";

/** One place that events are sent to: pause, test, change, remove, and what became of the last ones. */
export function WebhookCard({ webhook, reload }: { webhook: Webhook; reload: () => Promise<void> }) {
  const wish = useSignal<"edit" | "remove" | null>(null);
  const submission = useSubmission();
  const deliveries = useLoaded(() => webhooksApi.deliveries(webhook.id));
  const act = (work: () => Promise<unknown>): void => void submission.send(work);
  const url = clean(webhook.url, 500);
  return (
    <Card title={url} aside={<StateMark isOn={webhook.is_enabled} off={t("webhook_paused")} />}>
      {wish.value === "edit" ? (
        <WebhookForm
          webhook={webhook}
          onSave={async (to, events) => {
            await webhooksApi.change(webhook.id, { url: to, events });
            wish.value = null;
            await reload();
          }}
          onCancel={() => (wish.value = null)}
        />
      ) : (
        <>
          <p class="soft">{inOrder(webhook.events).map(eventWord).join(" · ")}</p>
          <div class="row">
            <Button
              icon={Send}
              disabled={submission.isBusy.value}
              onPress={() =>
                act(async () => {
                  await webhooksApi.test(webhook.id);
                  await deliveries.load();
                })
              }
            >
              {t("webhook_test")}
            </Button>
            <Button
              icon={webhook.is_enabled ? Pause : Play}
              disabled={submission.isBusy.value}
              onPress={() =>
                act(async () => {
                  await webhooksApi.change(webhook.id, { is_enabled: !webhook.is_enabled });
                  await reload();
                })
              }
            >
              {t(webhook.is_enabled ? "webhook_pause" : "webhook_resume")}
            </Button>
            <Button icon={Pencil} onPress={() => (wish.value = "edit")}>
              {t("change")}
            </Button>
            <Button kind="danger" icon={Trash2} onPress={() => (wish.value = "remove")}>
              {t("remove")}
            </Button>
          </div>
        </>
      )}
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <Deliveries webhook={webhook} deliveries={deliveries} />
      {wish.value === "remove" && (
        <Asking
          title={t("webhook_remove_title")}
          confirm={t("remove")}
          isDangerous
          onConfirm={async () => {
            await webhooksApi.remove(webhook.id);
            await reload();
          }}
          onClose={() => (wish.value = null)}
        >
          <p>{t("webhook_remove_hint", { url })}</p>
        </Asking>
      )}
    </Card>
  );
}
