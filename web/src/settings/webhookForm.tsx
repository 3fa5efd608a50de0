import { useSignal } from "@preact/signals";
import { Save } from "lucide-preact";
import type { Webhook } from "../api/company";
import { t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Tick } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { TextField } from "../ui/textField";
import { EVENTS, eventWord } from "./events";

/** Where to, and what. */
export function WebhookForm({
  webhook,
  onSave,
  onCancel,
}: {
  webhook?: Webhook;
  onSave: (url: string, events: readonly string[]) => Promise<void>;
  onCancel: () => void;
}) {
  const url = useSignal(webhook?.url ?? "https://");
  const events = useSignal<ReadonlySet<string>>(new Set(webhook?.events ?? EVENTS));
  const submission = useSubmission(["url", "events"]);
  const toggle = (event: string, isWanted: boolean): void => {
    const chosen = new Set(events.peek());
    if (isWanted) chosen.add(event);
    else chosen.delete(event);
    events.value = chosen;
  };
  const save = async (): Promise<void> => {
    if (!/^https?:\/\/[^\s/]/.test(url.value.trim())) return submission.refuse("url", t("webhook_url_wanted"));
    if (events.value.size === 0) return submission.refuse("events", t("webhook_events_wanted"));
    await onSave(url.value.trim(), [...events.value].sort());
  };
  return (
    <Form submission={submission} label={t("webhook_add")} onSend={save}>
      <TextField
        label={t("webhook_url")}
        hint={t("webhook_url_hint")}
        type="url"
        inputMode="url"
        maxLength={500}
        value={url}
        error={submission.of("url")}
      />
      <fieldset class="choices">
        <legend>{t("webhook_events")}</legend>
        {EVENTS.map((event) => (
          <Tick
            key={event}
            label={eventWord(event)}
            hint={event}
            checked={events.value.has(event)}
            onChange={(isWanted) => toggle(event, isWanted)}
          />
        ))}
        {submission.of("events") !== null && (
          <p class="field-error" role="alert">
            {submission.of("events")}
          </p>
        )}
      </fieldset>
      <div class="row">
        <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
          {t("save")}
        </Button>
        <Button onPress={onCancel}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}
