import { ApiProblem, Unreachable } from "../api/client";
import { t } from "../i18n/text";
import { clean } from "../text/clean";

/** One sentence for a person about anything that was thrown. */
export function sentenceOf(error: unknown): string {
  if (error instanceof ApiProblem) return error.message;
  if (error instanceof Unreachable) return t("unreachable");
  return t("unexpected", { detail: clean(error instanceof Error ? error.message : String(error), 200) });
}
