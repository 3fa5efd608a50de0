/** Asks once before something that cannot be taken back, or that a stranger at an open browser must not do. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Proof } from "../api/account";
import { t } from "../i18n/text";
import { Button } from "./buttons";
import { Dialog } from "./dialog";
import { Form, useSubmission } from "./form";
import { PasswordField } from "./textField";

interface AskingProps {
  title: string;
  /** What will happen, or further fields. */
  children?: ComponentChildren;
  confirm: string;
  isDangerous?: boolean;
  /** Whether the current password is asked for. */
  needsPassword?: boolean;
  /** Names of further fields that stand in `children`, and how messages reach them. */
  submission?: ReturnType<typeof useSubmission>;
  onConfirm: (proof: Proof) => Promise<void>;
  /** After the confirmed was done, or when it is not wanted. */
  onClose: () => void;
}

export function Asking(props: AskingProps) {
  const { title, children, confirm, isDangerous = false, needsPassword = false, onConfirm, onClose } = props;
  const own = useSubmission(["current_password"]);
  const submission = props.submission ?? own;
  const password = useSignal("");
  const send = async (): Promise<void> => {
    if (needsPassword && password.value === "") {
      return submission.refuse("current_password", t("current_password_wanted"));
    }
    await onConfirm(needsPassword ? { current_password: password.value } : {});
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <Form submission={submission} label={title} onSend={send}>
        {children}
        {needsPassword && (
          <PasswordField
            label={t("current_password")}
            hint={t("current_password_hint")}
            autocomplete="current-password"
            value={password}
            error={submission.of("current_password")}
          />
        )}
        <div class="dialog-actions">
          <Button onPress={onClose}>{t("cancel")}</Button>
          <Button kind={isDangerous ? "danger" : "main"} type="submit" disabled={submission.isBusy.value}>
            {confirm}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}
