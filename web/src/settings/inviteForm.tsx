import { useSignal } from "@preact/signals";
import { Send } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { peopleApi, type Person } from "../api/company";
import type { Language, MailResult, Role } from "../api/types";
import { language, t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Form, useSubmission } from "../ui/form";
import { LanguageField } from "../ui/languageField";
import { TextField } from "../ui/textField";
import { RoleField } from "./roleField";

/** Invites somebody by mail. */
export function InviteForm({
  role: ownRole,
  onInvited,
  onCancel,
}: {
  role: Role;
  onInvited: (person: Person, mail: MailResult) => void;
  onCancel: () => void;
}) {
  const name = useSignal("");
  const email = useSignal("");
  const role = useSignal<Role>("technician");
  const wanted = useSignal<Language>(language.peek());
  const submission = useSubmission(["name", "email", "role", "language"]);
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const invite = async (): Promise<void> => {
    if (name.value.trim() === "") return submission.refuse("name", t("name_wanted"));
    if (!email.value.includes("@")) return submission.refuse("email", t("person_email_wanted"));
    const { person, mail } = await peopleApi.invite({
      name: name.value.trim(),
      email: email.value.trim(),
      role: role.value,
      language: wanted.value,
    });
    onInvited({ ...person, email: email.value.trim() }, mail);
  };
  return (
    <Form submission={submission} label={t("person_invite")} onSend={invite}>
      <div class="two-columns">
        <TextField
          label={t("name")}
          hint={t("your_name_hint")}
          maxLength={100}
          value={name}
          inputRef={first}
          error={submission.of("name")}
        />
        <TextField
          label={t("email")}
          hint={t("person_email_hint")}
          type="email"
          inputMode="email"
          maxLength={300}
          value={email}
          error={submission.of("email")}
        />
        <RoleField own={ownRole} value={role} error={submission.of("role")} />
        <LanguageField label={t("language")} value={wanted} error={submission.of("language")} />
      </div>
      <div class="row">
        <Button kind="main" type="submit" icon={Send} disabled={submission.isBusy.value}>
          {t("person_invite_send")}
        </Button>
        <Button onPress={onCancel}>{t("cancel")}</Button>
      </div>
    </Form>
  );
}
