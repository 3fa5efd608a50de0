import { useSignal } from "@preact/signals";
import { KeyRound } from "lucide-preact";
import { accountApi } from "../api/account";
import { t } from "../i18n/text";
import { newPasswordFault } from "../signIn/newPassword";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { PasswordField } from "../ui/textField";

/** Sets or changes the password; all other browsers are signed out by that. */
export function PasswordCard({
  hasPassword,
  email,
  reload,
}: {
  hasPassword: boolean;
  email: string;
  reload: () => Promise<void>;
}) {
  const current = useSignal("");
  const password = useSignal("");
  const submission = useSubmission(["current_password", "password"]);
  const save = async (): Promise<void> => {
    const fault = newPasswordFault(password.value);
    if (hasPassword && current.value === "") {
      return submission.refuse("current_password", t("current_password_wanted"));
    }
    if (fault !== null) return submission.refuse("password", fault);
    await accountApi.setPassword(password.value, hasPassword ? { current_password: current.value } : {});
    current.value = "";
    password.value = "";
    await reload();
  };
  return (
    <Card title={t("password")} intro={t(hasPassword ? "password_change_intro" : "password_none_intro")}>
      <Form submission={submission} label={t("password")} onSend={save}>
        <input hidden type="email" autocomplete="username" readOnly value={email} />
        <div class="two-columns">
          {hasPassword && (
            <PasswordField
              label={t("current_password")}
              autocomplete="current-password"
              value={current}
              error={submission.of("current_password")}
            />
          )}
          <PasswordField
            label={t("new_password")}
            hint={t("new_password_hint")}
            autocomplete="new-password"
            value={password}
            error={submission.of("password")}
          />
        </div>
        <div class="row">
          <Button type="submit" icon={KeyRound} disabled={submission.isBusy.value}>
            {t(hasPassword ? "password_change" : "save_password")}
          </Button>
          <SavedMark submission={submission} text={t("password_changed")} />
        </div>
      </Form>
    </Card>
  );
}
