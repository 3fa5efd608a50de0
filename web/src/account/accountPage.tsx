/** One's own account: who one is, how one signs in, where one is signed in, what programs may do in one's name. */
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { accountApi, type Security } from "../api/account";
import type { Me } from "../api/types";
import { Frame } from "../console/frame";
import { t } from "../i18n/text";
import { Notice } from "../ui/faces";
import { useLoaded } from "../ui/load";
import { LoadedPart } from "../ui/loadedPart";
import { BrowsersCard } from "./browsersCard";
import { PasskeysCard } from "./passkeysCard";
import { PasswordCard } from "./passwordCard";
import { ProfileCard } from "./profileCard";
import { RecoveryCodes, RecoveryCodesCard } from "./recoveryCodes";
import { TokensCard } from "./tokensCard";
import { TotpCard } from "./totpCard";

/** What the cards of second factors share. */
export interface Factors {
  readonly security: Security;
  /** Asks the relay how things stand, after a change. */
  readonly reload: () => Promise<void>;
  /** Shows new recovery codes until they are put away; null: those from before still hold. */
  readonly show: (codes: readonly string[] | null) => void;
}

export function AccountPage({
  me,
  onChanged,
  onSignedOut,
}: {
  me: Me;
  /** Something that other pages show, or that lets one reach them, is different now. */
  onChanged: () => Promise<void>;
  onSignedOut: () => void;
}) {
  const security = useLoaded(accountApi.security);
  const codes: Signal<readonly string[] | null> = useSignal(null);
  const reload = async (): Promise<void> => {
    await Promise.all([security.load(), onChanged()]);
  };
  const show = (fresh: readonly string[] | null): void => {
    if (fresh !== null) codes.value = fresh;
  };
  const mayUsePrograms = !me.must_set_second_factor;
  return (
    <Frame me={me} page="account" onSignedOut={onSignedOut}>
      <main class="office stack">
        <h1>{t("account_title")}</h1>
        {me.must_set_second_factor && (
          <Notice kind="warning">
            <p>
              <strong>{t("factor_required")}</strong>
            </p>
            <p>{t("factor_required_hint")}</p>
          </Notice>
        )}
        {codes.value !== null && <RecoveryCodes codes={codes.value} onDone={() => (codes.value = null)} />}
        <LoadedPart loaded={security}>
          {(known) => {
            const factors: Factors = { security: known, reload, show };
            const factorCards = (
              <>
                <TotpCard {...factors} />
                <PasskeysCard {...factors} />
                {(known.totp.is_on || known.passkeys.length > 0) && <RecoveryCodesCard {...factors} />}
              </>
            );
            return (
              <>
                {me.must_set_second_factor && factorCards}
                <ProfileCard me={me} onChanged={onChanged} />
                <PasswordCard hasPassword={known.has_password} email={me.technician.email} reload={reload} />
                {!me.must_set_second_factor && factorCards}
                <BrowsersCard browsers={known.browsers} reload={security.load} />
              </>
            );
          }}
        </LoadedPart>
        {mayUsePrograms && <TokensCard me={me} />}
      </main>
    </Frame>
  );
}
