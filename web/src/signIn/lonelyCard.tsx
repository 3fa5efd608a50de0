import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { saveLanguage, savedLanguage } from "../console/preferences";
import { language } from "../i18n/text";
import { LanguageSwitch } from "../ui/language";

/** The one card of a page for whoever is not signed in yet. */
export function LonelyCard({ children }: { children: ComponentChildren }) {
  useEffect(() => {
    const saved = savedLanguage();
    if (saved !== null) language.value = saved;
  }, []);
  return (
    <main class="lonely">
      <div class="card sign-in stack">{children}</div>
      <LanguageSwitch onChange={saveLanguage} />
    </main>
  );
}
