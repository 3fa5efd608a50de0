/** A link opened on a phone: it belongs on the computer, and can be sent there. What does so stays in the customer's hands. */
import { Mail, MonitorSmartphone, Share2 } from "lucide-preact";
import { t } from "../i18n/text";
import { mailtoUrl } from "../text/mailto";
import { Button, CopyButton } from "../ui/buttons";
import { Icon } from "../ui/icon";
import { QrCode } from "../ui/qrCode";
import { Stop } from "./stop";

export function HandheldStop({ link, onStay }: { link: string; onStay: () => void }) {
  const mail = mailtoUrl("", t("customer_on_phone_subject"), t("customer_on_phone_body", { link }));
  return (
    <Stop icon={MonitorSmartphone} title={t("customer_on_phone")} hint={t("customer_on_phone_hint")}>
      <div class="stack send-on">
        <a class="button main" href={mail}>
          <Icon as={Mail} size={18} />
          <span>{t("customer_on_phone_mail")}</span>
        </a>
        {typeof navigator.share === "function" && (
          // Whoever closes the list of programs has changed their mind; that is no fault.
          <Button icon={Share2} onPress={() => void navigator.share({ url: link }).catch(() => undefined)}>
            {t("customer_on_phone_share")}
          </Button>
        )}
        <CopyButton text={() => link} label={t("customer_copy_link")} />
        <details>
          <summary>{t("customer_on_phone_code")}</summary>
          <QrCode text={link} label={t("customer_on_phone_code_label")} />
          <p class="hint">{t("customer_on_phone_code_hint")}</p>
        </details>
        <p class="hint">{t("customer_on_phone_secret")}</p>
        <Button kind="quiet" onPress={onStay}>
          {t("customer_on_phone_anyway")}
        </Button>
      </div>
    </Stop>
  );
}
