/** The company's settings: which part one may see is decided by the relay's permissions, which part by the address. */
import { Building2, IdCard, Mail, PackageCheck, Palette, Users, Webhook } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { type CompanyAnswer, companyApi } from "../api/company";
import type { Me, Permission } from "../api/types";
import { Frame } from "../console/frame";
import { Link } from "../console/link";
import { type PlainKey, t } from "../i18n/text";
import { Face } from "../ui/faces";
import { Icon, type IconType } from "../ui/icon";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { BrandPart } from "./brandPart";
import { CompanyPart } from "./companyPart";
import { IdentityProviderPart } from "./identityProviderPart";
import { MailServerPart } from "./mailServerPart";
import { PeoplePart } from "./peoplePart";
import { ProgramsPart } from "./programsPart";
import { WebhooksPart } from "./webhooksPart";

/** What a part of the settings works with. */
export interface PartProps {
  readonly me: Me;
  /** Asks who one is and may again: pages show the company's name and plan. */
  readonly onChanged: () => Promise<void>;
}

export interface CompanyPartProps extends PartProps {
  readonly answer: CompanyAnswer;
  readonly reload: () => Promise<void>;
}

interface Part {
  readonly name: string;
  readonly icon: IconType;
  readonly word: PlainKey;
  readonly needs: Permission;
  readonly show: (props: PartProps) => ComponentChildren;
}

const ofCompany =
  (show: (props: CompanyPartProps) => ComponentChildren) =>
  (props: PartProps): ComponentChildren => <OfCompany {...props} show={show} />;

const PARTS: readonly Part[] = [
  { name: "people", icon: Users, word: "part_people", needs: "people.manage", show: (props) => <PeoplePart {...props} /> },
  {
    name: "company",
    icon: Building2,
    word: "part_company",
    needs: "company.manage",
    show: ofCompany((props) => <CompanyPart {...props} />),
  },
  {
    name: "brand",
    icon: Palette,
    word: "part_brand",
    needs: "company.manage",
    show: ofCompany((props) => <BrandPart {...props} />),
  },
  {
    name: "mail-server",
    icon: Mail,
    word: "part_mail",
    needs: "company.manage",
    show: ofCompany((props) => <MailServerPart {...props} />),
  },
  {
    name: "identity-provider",
    icon: IdCard,
    word: "part_provider",
    needs: "company.manage",
    show: ofCompany((props) => <IdentityProviderPart {...props} />),
  },
  { name: "webhooks", icon: Webhook, word: "part_webhooks", needs: "webhooks.manage", show: () => <WebhooksPart /> },
  { name: "programs", icon: PackageCheck, word: "part_programs", needs: "company.manage", show: () => <ProgramsPart /> },
];

export function SettingsPage({
  me,
  part,
  onChanged,
  onSignedOut,
}: PartProps & { part: string; onSignedOut: () => void }) {
  const allowed = PARTS.filter(({ needs }) => me.permissions.includes(needs));
  const shown = part === "" ? allowed[0] : allowed.find(({ name }) => name === part);
  return (
    <Frame me={me} page="settings" onSignedOut={onSignedOut}>
      <div class="office wide with-parts">
        <nav class="parts" aria-label={t("settings_parts")}>
          {allowed.map(({ name, icon, word }) => (
            <Link key={name} href={`/settings/${name}`} class="place" isCurrent={name === shown?.name}>
              <Icon as={icon} size={18} />
              <span>{t(word)}</span>
            </Link>
          ))}
        </nav>
        <main class="stack part">
          {shown === undefined ? (
            <Face icon={Users} title={t("not_allowed")} heading="h1">
              <p>{t("not_allowed_hint")}</p>
            </Face>
          ) : (
            <>
              <h1>{t(shown.word)}</h1>
              <div class="stack" key={shown.name}>
                {shown.show({ me, onChanged })}
              </div>
            </>
          )}
        </main>
      </div>
    </Frame>
  );
}

function OfCompany({ show, ...props }: PartProps & { show: (props: CompanyPartProps) => ComponentChildren }) {
  const loaded = useLoaded(companyApi.get);
  const reload = async (): Promise<void> => {
    await Promise.all([loaded.load(), props.onChanged()]);
  };
  return <LoadedPart loaded={loaded}>{(answer) => show({ ...props, answer, reload })}</LoadedPart>;
}
