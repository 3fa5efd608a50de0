import { useSignal } from "@preact/signals";
import { CircleStop } from "lucide-preact";
import { api } from "../api/client";
import { secondsUntil } from "../api/clock";
import type { Session } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { formatCountdown } from "../text/format";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/dialog";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";

/** Asks once whether a session is to end, naming what will be lost. */
export function EndDialog({
  session,
  onEnded,
  onClose,
}: {
  session: Session;
  onEnded: (session: Session) => void;
  onClose: () => void;
}) {
  const isBusy = useSignal(false);
  const fault = useSignal<string | null>(null);
  const end = async (): Promise<void> => {
    isBusy.value = true;
    fault.value = null;
    try {
      const answer = await api.end(session.id);
      onEnded(answer.session);
    } catch (error) {
      fault.value = sentenceOf(error);
      isBusy.value = false;
    }
  };
  const loss =
    session.state === "active"
      ? t("end_loses_active", {
          computer: clean(session.host?.computer) || t("computer"),
          time: formatCountdown(secondsUntil(session.expires_at) ?? 0),
        })
      : t("end_loses_open", { customer: clean(session.customer_email) });
  return (
    <Dialog title={t("end_title")} onClose={onClose}>
      <p>{loss}</p>
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      <div class="dialog-actions">
        <Button onPress={onClose}>{t("cancel")}</Button>
        <Button kind="danger" icon={CircleStop} disabled={isBusy.value} onPress={() => void end()}>
          {isBusy.value ? t("ending") : t("end_confirm")}
        </Button>
      </div>
    </Dialog>
  );
}
