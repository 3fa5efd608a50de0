import { api } from "../api/client";
import type { Session } from "../api/types";
import { t } from "../i18n/text";
import type { Pending } from "../keeping/pending";
import { clean } from "../text/clean";
import { Asking } from "../ui/asking";
import type { Desk } from "./desk";

/** Asks once, revokes the link, and puts all that was typed back into the form. */
export function RevokeDialog({
  session,
  pending,
  desk,
  onClose,
}: {
  session: Session;
  pending: Pending;
  desk: Desk;
  onClose: () => void;
}) {
  const revoke = async (): Promise<void> => {
    const answer = await api.revoke(session.id);
    desk.draft.refill(session, pending.password);
    desk.live.update(answer.session);
    // The card with this dialog is about to go.
    requestAnimationFrame(() => document.querySelector<HTMLElement>(".prepare button[type=submit]")?.focus());
  };
  return (
    <Asking title={t("revoke_title")} confirm={t("revoke_confirm")} isDangerous onConfirm={revoke} onClose={onClose}>
      <p>{t("revoke_loses", { customer: clean(session.customer_email, 120) })}</p>
    </Asking>
  );
}
