import { useSignal } from "@preact/signals";
import { KeyRound } from "lucide-preact";
import { accountApi } from "../api/account";
import { t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Form, useSubmission } from "../ui/form";
import { PasswordField } from "../ui/textField";
import { newPasswordFault } from "./newPassword";

/** Offered once after a first sign-in by link, and easy to leave. */
export function PasswordOffer({ onDone }: { onDone: () => void }) {
  const password = useSignal("");
  const submission = useSubmission(["password"]);
  const send = async (): Promise<void> => {
    const fault = newPasswordFault(password.value);
    if (fault !== null) return submission.refuse("password", fault);
    await accountApi.setPassword(password.value, {});
    onDone();
  };
  return (
    <Form submission={submission} label={t("set_password_title")} onSend={send}>
      <h2>{t("set_password_title")}</h2>
      <p class="soft">{t("set_password_intro")}</p>
      <PasswordField
        label={t("new_password")}
        hint={t("new_password_hint")}
        autocomplete="new-password"
        value={password}
        error={submission.of("password")}
      />
      <div class="row">
        <Button kind="main" type="submit" icon={KeyRound} disabled={submission.isBusy.value}>
          {t("save_password")}
        </Button>
        <Button onPress={onDone}>{t("not_now")}</Button>
      </div>
    </Form>
  );
}
