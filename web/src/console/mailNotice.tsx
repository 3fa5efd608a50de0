/** What became of the mail with the link, and what to do about it. */
import type { MailResult } from "../api/types";
import { t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { Notice } from "../ui/faces";

const KINDS = {
  sent: "good",
  waiting: "warning",
  outbox: "warning",
  failed: "bad",
  withdrawn: "info",
  none: "info",
} as const;

const SENTENCES: Readonly<Record<Exclude<MailResult["state"], "sent">, PlainKey>> = {
  waiting: "mail_waiting",
  outbox: "mail_outbox",
  failed: "mail_failed",
  withdrawn: "mail_withdrawn",
  none: "mail_none",
};

export function MailNotice({ mail, email }: { mail: MailResult; email: string }) {
  const hasReason = mail.state === "waiting" || mail.state === "failed";
  return (
    <Notice kind={KINDS[mail.state]} live>
      <p>{mail.state === "sent" ? t("mail_sent", { email: clean(email, 120) }) : t(SENTENCES[mail.state])}</p>
      {hasReason && mail.detail !== "" && <p class="hint">{clean(mail.detail, 300)}</p>}
    </Notice>
  );
}
