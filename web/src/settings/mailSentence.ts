/** What became of a mail to a colleague, in one sentence. */
import type { MailResult } from "../api/types";
import { t } from "../i18n/text";
import { clean } from "../text/clean";

export interface MailVerdict {
  readonly kind: "good" | "warning" | "bad";
  readonly sentence: string;
}

/** States that are newer than this page count as "on its way": only `failed` says that it is not. */
export function mailVerdict({ state, detail }: MailResult, email: string): MailVerdict {
  const to = clean(email, 120);
  if (state === "failed") {
    return { kind: "bad", sentence: t("person_mail_failed", { email: to, detail: clean(detail, 200) }) };
  }
  if (state === "outbox" || state === "none") return { kind: "warning", sentence: t("person_mail_outbox", { email: to }) };
  return { kind: "good", sentence: t("person_mail_sent", { email: to }) };
}
