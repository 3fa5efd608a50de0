import type { Signal } from "@preact/signals";
import type { Language } from "../api/types";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, t } from "../i18n/text";
import { Field } from "./field";

/** A choice of our languages, bound to a signal. */
export function LanguageField({
  label,
  hint,
  value,
  error = null,
  onChange,
}: {
  label: string;
  hint?: string;
  value: Signal<Language>;
  error?: string | null;
  onChange?: (language: Language) => void;
}) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(attributes) => (
        <select
          {...attributes}
          value={value.value}
          onChange={(event) => {
            const wanted = event.currentTarget.value;
            if (!isLanguage(wanted)) return;
            value.value = wanted;
            onChange?.(wanted);
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
  );
}
