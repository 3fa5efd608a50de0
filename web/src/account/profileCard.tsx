import { useSignal } from "@preact/signals";
import { Save } from "lucide-preact";
import { accountApi } from "../api/account";
import type { Language, Me } from "../api/types";
import { saveLanguage } from "../console/preferences";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Card } from "../ui/card";
import { Field } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { SavedMark } from "../ui/savedMark";
import { TextField } from "../ui/textField";
import { roleWord } from "../settings/roles";

/** Name and language. */
export function ProfileCard({ me, onChanged }: { me: Me; onChanged: () => Promise<void> }) {
  const name = useSignal(me.technician.name);
  const wanted = useSignal<Language>(me.technician.language);
  const submission = useSubmission(["name", "language"]);
  const save = async (): Promise<void> => {
    if (name.value.trim() === "") return submission.refuse("name", t("name_wanted"));
    await accountApi.change({ name: name.value.trim(), language: wanted.value });
    language.value = wanted.value;
    saveLanguage(wanted.value);
    await onChanged();
  };
  return (
    <Card title={t("profile")} intro={`${clean(me.technician.email, 300)} · ${roleWord(me.technician.role)}`}>
      <Form submission={submission} label={t("profile")} onSend={save}>
        <div class="two-columns">
          <TextField
            label={t("your_name")}
            hint={t("your_name_hint")}
            autocomplete="name"
            maxLength={100}
            value={name}
            error={submission.of("name")}
          />
          <Field label={t("language")} hint={t("your_language_hint")} error={submission.of("language")}>
            {(attributes) => (
              <select
                {...attributes}
                value={wanted.value}
                onChange={(event) => {
                  const chosen = event.currentTarget.value;
                  if (isLanguage(chosen)) wanted.value = chosen;
                }}
              >
                {LANGUAGES.map((known) => (
                  <option key={known} value={known} lang={known}>
                    {t(LANGUAGE_NAMES[known])}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </div>
        <div class="row">
          <Button kind="main" type="submit" icon={Save} disabled={submission.isBusy.value}>
            {t("save")}
          </Button>
          <SavedMark submission={submission} />
        </div>
      </Form>
    </Card>
  );
}
