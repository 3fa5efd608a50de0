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
  /** The customer's; null: the page's. */
  readonly language: Language | null;
  readonly wantsReceipt: boolean;
}

export const NO_DRAFT: Draft = { email: "", note: "", language: null, wantsReceipt: false };

export function savedDraft(): Draft {
  try {
    const saved = Object(JSON.parse(sessionStorage.getItem(DRAFT) ?? "null")) as Record<string, unknown>;
    const text = (name: string): string => (typeof saved[name] === "string" ? saved[name] : "");
    return {
      email: text("email"),
      note: text("note"),
      language: isLanguage(saved["language"]) ? saved["language"] : null,
      wantsReceipt: saved["wantsReceipt"] === true,
    };
  } catch {
    return NO_DRAFT;
  }
}

export function saveDraft(draft: Draft): void {
  if (draft.email === "" && draft.note === "") sessionStorage.removeItem(DRAFT);
  else sessionStorage.setItem(DRAFT, JSON.stringify(draft));
}
