/** The relay's rule for the passwords of people, told before it is asked. */
import { t } from "../i18n/text";

export const MIN_PASSWORD_CHARACTERS = 12;

/** What is wrong with a new password, or null. */
export function newPasswordFault(password: string): string | null {
  return Array.from(password).length < MIN_PASSWORD_CHARACTERS ? t("new_password_hint") : null;
}
