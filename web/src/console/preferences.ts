/** Small wishes of the person at this browser; nothing that matters is lost without them. */
import { isLanguage } from "../i18n/text";
import type { Language } from "../api/types";

const LANGUAGE = "adhoc.language";
const DRAFT = "adhoc.draft";

/** The language chosen with the switch, if any. */
export function savedLanguage(): Language | null {
  const saved = localStorage.getItem(LANGUAGE);
  return isLanguage(saved) ? saved : null;
}

export function saveLanguage(language: Language): void {
  localStorage.setItem(LANGUAGE, language);
}

/** What was typed into the form and not yet sent; survives a reload and signing in again, but not the tab. */
export interface Draft {
  readonly email: string;
  readonly note: string;
}

export function savedDraft(): Draft {
  try {
    const { email, note } = Object(JSON.parse(sessionStorage.getItem(DRAFT) ?? "null")) as Record<string, unknown>;
    return { email: typeof email === "string" ? email : "", note: typeof note === "string" ? note : "" };
  } catch {
    return { email: "", note: "" };
  }
}

export function saveDraft(draft: Draft): void {
  if (draft.email === "" && draft.note === "") sessionStorage.removeItem(DRAFT);
  else sessionStorage.setItem(DRAFT, JSON.stringify(draft));
}
