/** How the link reaches the customer, and the access password while it may still be seen. */
import { useSignal } from "@preact/signals";
import { Mail, RotateCcw, Send } from "lucide-preact";
import { api } from "../api/client";
import type { Session } from "../api/types";
import { t } from "../i18n/text";
import type { Pending } from "../keeping/pending";
import { linkOf } from "../keeping/preparation";
import { Button, CopyButton } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Notice } from "../ui/faces";
import { Icon } from "../ui/icon";
import { QrCode } from "../ui/qrCode";
import type { Desk } from "./desk";
import { MailNotice } from "./mailNotice";
import { ownMail } from "./ownMail";
import { RevokeDialog } from "./revokeDialog";

export function LinkPanel({ session, pending, desk }: { session: Session; pending: Pending; desk: Desk }) {
  const isBusy = useSignal(false);
  const wasSent = useSignal(false);
  const isRevoking = useSignal(false);
  const showsCode = useSignal(false);
  const fault = useSignal<string | null>(null);
  const mail = session.mail ?? desk.mails.value.get(session.id) ?? null;
  const isMailed = mail !== null && mail.state !== "none";
  const link = (): string => linkOf(pending, location.origin);
  const sendAgain = async (): Promise<void> => {
    isBusy.value = true;
    wasSent.value = false;
    fault.value = null;
    try {
      const answer = await api.mail(session.id, link());
      desk.noteMail(session.id, answer.mail);
      wasSent.value = answer.mail.state === "sent";
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
        mail !== null && <MailNotice mail={mail} email={session.customer_email} />
      )}
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      <div class="row">
        <CopyButton text={link} label={t("copy_link")} />
        <Button icon={Send} disabled={isBusy.value} onPress={() => void sendAgain()}>
          {t(isMailed ? "send_again" : "send_email")}
        </Button>
        <span class="said" role="status">
          {wasSent.value ? t("mail_sent_now") : ""}
        </span>
        <a class="button" href={ownMail(desk.me, session, pending)}>
          <Icon as={Mail} size={18} />
          <span>{t("open_mail_program")}</span>
        </a>
        <Button icon={RotateCcw} onPress={() => (isRevoking.value = true)}>
          {t("revoke")}
        </Button>
      </div>
      <details class="link-code" onToggle={(event) => (showsCode.value = event.currentTarget.open)}>
        <summary>{t("qr_code")}</summary>
        {/* Drawn only for who wants it: whoever sees it has the link. */}
        {showsCode.value && (
          <div class="link-code-body">
            <QrCode text={link()} label={t("qr_code_label")} />
            <p class="hint">{t("qr_code_hint")}</p>
          </div>
        )}
      </details>
      <div class="password-shown">
        <p>
          {t("access_password")}: <code class="secret shown-secret">{pending.password}</code>
        </p>
        <CopyButton text={() => pending.password} label={t("copy_password")} kind="quiet" />
        <p class="hint">{t("password_shown_once")}</p>
      </div>
      {isRevoking.value && (
        <RevokeDialog session={session} pending={pending} desk={desk} onClose={() => (isRevoking.value = false)} />
      )}
    </section>
  );
}
