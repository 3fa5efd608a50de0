import { useSignal } from "@preact/signals";
import { Plus } from "lucide-preact";
import { webhooksApi } from "../api/company";
import { t } from "../i18n/text";
import { Button, CopyButton } from "../ui/buttons";
import { Card } from "../ui/card";
import { Notice } from "../ui/faces";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { WebhookCard } from "./webhookCard";
import { WebhookForm } from "./webhookForm";

/** Where the company's events are sent. */
export function WebhooksPart() {
  const webhooks = useLoaded(webhooksApi.list);
  const isAdding = useSignal(false);
  const secret = useSignal<string | null>(null);
  const add = async (url: string, events: readonly string[]): Promise<void> => {
    const made = await webhooksApi.add(url, events);
    secret.value = made.secret;
    isAdding.value = false;
    await webhooks.load();
  };
  return (
    <>
      <Card title={t("webhooks")} intro={t("webhooks_intro")}>
        {secret.value !== null && (
          <Notice kind="good" live>
            <p>
              <strong>{t("webhook_secret")}</strong>
            </p>
            <code class="shown-secret" data-testid="webhook-secret">
              {secret.value}
            </code>
            <p>{t("webhook_secret_hint")}</p>
            <div class="row">
              <CopyButton text={() => secret.peek() ?? ""} label={t("copy")} />
              <Button onPress={() => (secret.value = null)}>{t("noted")}</Button>
            </div>
          </Notice>
        )}
        {isAdding.value ? (
          <WebhookForm onSave={add} onCancel={() => (isAdding.value = false)} />
        ) : (
          <div class="row">
            <Button kind="main" icon={Plus} onPress={() => (isAdding.value = true)}>
              {t("webhook_add")}
            </Button>
          </div>
        )}
      </Card>
      <LoadedPart loaded={webhooks}>
        {(known) =>
          known.webhooks.length === 0 ? (
            <p class="soft">{t("webhooks_none")}</p>
          ) : (
            known.webhooks.map((webhook) => <WebhookCard key={webhook.id} webhook={webhook} reload={webhooks.load} />)
          )
        }
      </LoadedPart>
    </>
  );
}
