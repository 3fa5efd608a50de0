import type { Signal } from "@preact/signals";
import { MailQuestion } from "lucide-preact";
import { signInApi } from "../api/account";
import { t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { Form, useSubmission } from "../ui/form";
import { TextField } from "../ui/textField";

/** Asks for a mail with which a new password can be set. The answer is the same for known and unknown addresses. */
export function Forgotten({ email, onBack }: { email: Signal<string>; onBack: () => void }) {
  const submission = useSubmission(["email"]);
  const send = async (): Promise<void> => {
    const address = email.value.trim();
    if (!address.includes("@")) return submission.refuse("email", t("own_email_invalid"));
    await signInApi.askForReset(address);
  };
  return (
    <>
      <h2>{t("forgotten_title")}</h2>
      {submission.isDone.value ? (
        <Notice kind="good" live>
          {t("forgotten_sent")}
        </Notice>
      ) : (
        <Form submission={submission} label={t("forgotten_title")} onSend={send}>
          <p class="soft">{t("forgotten_intro")}</p>
          <TextField
            label={t("email")}
            type="email"
            inputMode="email"
            autocomplete="username"
            maxLength={300}
            value={email}
            error={submission.of("email")}
          />
          <Button kind="main" type="submit" icon={MailQuestion} disabled={submission.isBusy.value}>
            {t("forgotten_send")}
          </Button>
        </Form>
      )}
      <Button kind="quiet" onPress={onBack}>
        {t("back_to_sign_in")}
      </Button>
    </>
  );
}
