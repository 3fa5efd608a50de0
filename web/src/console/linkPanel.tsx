/** How the link reaches the customer, and the access password while it may still be seen. */
import { useSignal } from "@preact/signals";
import { Mail, Send } from "lucide-preact";
import { api } from "../api/client";
import type { MailResult, Session } from "../api/types";
import { t } from "../i18n/text";
import type { Pending } from "../keeping/pending";
import { linkOf } from "../keeping/preparation";
import { clean } from "../text/clean";
import { Button, CopyButton } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import type { Desk } from "./desk";
import { ownMail } from "./prepareCard";

const MAIL_KINDS = { sent: "good", outbox: "warning", failed: "bad", none: "info" } as const;

export function LinkPanel({ session, pending, desk }: { session: Session; pending: Pending; desk: Desk }) {
  const isBusy = useSignal(false);
  const fault = useSignal<string | null>(null);
  const mail = desk.mails.value.get(session.id);
  const link = (): string => linkOf(pending, location.origin);
  const sendAgain = async (): Promise<void> => {
    isBusy.value = true;
    fault.value = null;
    try {
      const answer = await api.mail(session.id, link());
      desk.noteMail(session.id, answer.mail);
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <section class="link-panel stack" aria-label={t("deployment_link")}>
      <h3>{t("deployment_link")}</h3>
      {desk.copied.value.has(session.id) ? (
        <Notice kind="good" live>
          {t("link_copied")}
        </Notice>
      ) : (
        mail !== undefined && <MailNotice mail={mail} email={session.customer_email} />
      )}
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      <div class="row">
        <CopyButton text={link} label={t("copy_link")} />
        <Button icon={Send} disabled={isBusy.value} onPress={() => void sendAgain()}>
          {t(mail === undefined || mail.state === "none" ? "send_email" : "send_again")}
        </Button>
        <a class="button" href={ownMail(desk.me, session, pending)}>
          <Icon as={Mail} size={18} />
          <span>{t("open_mail_program")}</span>
        </a>
      </div>
      <div class="password-shown">
        <p>
          {t("access_password")}: <code class="secret shown-secret">{pending.password}</code>
        </p>
        <CopyButton text={() => pending.password} label={t("copy_password")} kind="quiet" />
        <p class="hint">{t("password_shown_once")}</p>
      </div>
    </section>
  );
}

function MailNotice({ mail, email }: { mail: MailResult; email: string }) {
  return (
    <Notice kind={MAIL_KINDS[mail.state]} live>
      <p>{mail.state === "sent" ? t("mail_sent", { email: clean(email, 120) }) : t(`mail_${mail.state}`)}</p>
    </Notice>
  );
}
