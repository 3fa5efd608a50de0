import { t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";

/** The sentence for a session's end, in the page's language. */
export function endSentence(reason: string | null, fallback: string | null = null): string {
  return textIfAny(`reason_${reason}`) ?? (clean(fallback, 200) || t("reason_unknown"));
}
