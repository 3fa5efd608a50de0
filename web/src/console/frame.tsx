/** What all pages of a signed-in person have in common: whose they are, where one can go, signing out. */
import { LogOut, MonitorCheck, ScrollText, Settings, UserRound } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { api } from "../api/client";
import type { Me, Permission } from "../api/types";
import { type PlainKey, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Icon, type IconType } from "../ui/icon";
import { LanguageSwitch } from "../ui/language";
import { Link } from "./link";
import { saveLanguage } from "./preferences";
import { goTo } from "./routes";

export type FramedPage = "support" | "settings" | "audit" | "account";

interface Place {
  readonly page: FramedPage;
  readonly href: string;
  readonly icon: IconType;
  readonly word: PlainKey;
  /** One of them is enough; none: everybody. */
  readonly needs: readonly Permission[];
}

const PLACES: readonly Place[] = [
  { page: "support", href: "/", icon: MonitorCheck, word: "nav_support", needs: [] },
  {
    page: "settings",
    href: "/settings",
    icon: Settings,
    word: "nav_settings",
    needs: ["people.manage", "company.manage", "webhooks.manage"],
  },
  { page: "audit", href: "/audit", icon: ScrollText, word: "nav_audit", needs: ["audit.read"] },
  { page: "account", href: "/account", icon: UserRound, word: "nav_account", needs: [] },
];

/** Where somebody may go; only to their own account while a second factor is wanting. */
export function placesOf(me: Me): readonly Place[] {
  if (me.must_set_second_factor) return PLACES.filter((place) => place.page === "account");
  return PLACES.filter(({ needs }) => needs.length === 0 || needs.some((needed) => me.permissions.includes(needed)));
}

export function Frame({
  me,
  page,
  actions,
  onSignedOut,
  children,
}: {
  me: Me;
  page: FramedPage;
  /** Further buttons of the page's head. */
  actions?: ComponentChildren;
  onSignedOut: () => void;
  children: ComponentChildren;
}) {
  const signOut = async (): Promise<void> => {
    // Signed out is what the technician wants to be, also if the relay cannot be told: the cookie lapses by itself.
    await api.signOut().catch(() => undefined);
    // The next to sign in here may be somebody else: they begin at the beginning.
    goTo("/", "replace");
    onSignedOut();
  };
  return (
    <>
      <header class="page-head">
        <p class="brand">
          <Icon as={MonitorCheck} size={24} />
          <span>{clean(me.company.name)}</span>
        </p>
        <nav class="places" aria-label={t("nav_places")}>
          {placesOf(me).map((place) => (
            <Link key={place.page} href={place.href} class="place" isCurrent={place.page === page}>
              <Icon as={place.icon} size={18} />
              <span>{t(place.word)}</span>
            </Link>
          ))}
        </nav>
        <div class="row head-actions">
          <span class="soft who">{clean(me.technician.name)}</span>
          <LanguageSwitch onChange={saveLanguage} />
          {actions}
          <Button kind="quiet" icon={LogOut} label={t("sign_out")} onPress={() => void signOut()}>
            <span class="narrow-hidden">{t("sign_out")}</span>
          </Button>
        </div>
      </header>
      {children}
    </>
  );
}
