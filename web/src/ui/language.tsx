import { Languages } from "lucide-preact";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, language, t } from "../i18n/text";
import type { Language } from "../api/types";
import { Icon } from "./icon";

/** Switches the language of the page. */
export function LanguageSwitch({ onChange }: { onChange?: (language: Language) => void }) {
  return (
    <span class="language">
      <Icon as={Languages} size={18} />
      <select
        aria-label={t("language")}
        value={language.value}
        onChange={(event) => {
          const wanted = event.currentTarget.value;
          if (!isLanguage(wanted)) return;
          language.value = wanted;
          onChange?.(wanted);
        }}
      >
        {LANGUAGES.map((known) => (
          <option key={known} value={known} lang={known}>
            {t(LANGUAGE_NAMES[known])}
          </option>
        ))}
      </select>
    </span>
  );
}
