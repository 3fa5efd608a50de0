import { browserSupportsWebAuthn, browserSupportsWebAuthnAutofill } from "@simplewebauthn/browser";
import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { Building2, Fingerprint, LogIn } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { type SignInAnswer, signInApi } from "../api/account";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { Form, useSubmission } from "../ui/form";
import { Icon } from "../ui/icon";
import { PasswordField, TextField } from "../ui/textField";
import { passkeySentence, signInByPasskey, stopAsking } from "./passkeys";

/** E-mail and password, and the ways that need neither. */
export function PasswordForm({
  email,
  onEntered,
  onForgotten,
}: {
  email: Signal<string>;
  onEntered: (answer: SignInAnswer) => void;
  onForgotten: () => void;
}) {
  const password = useSignal("");
  const providers = useSignal<readonly { id: string; label: string }[]>([]);
  const byPassword = useSubmission(["email", "password"]);
  const byPasskey = useSubmission([], passkeySentence);
  /** For whose providers the relay was asked last. */
  const lastAsked = useRef("");
  const passwordField = useRef<HTMLInputElement>(null);

  const offerPasskeys = async (): Promise<void> => {
    if (!browserSupportsWebAuthn() || !(await browserSupportsWebAuthnAutofill())) return;
    try {
      onEntered(await signInByPasskey(null, true));
    } catch {
      // Nobody asked for it: the form and the button are there, and say themselves what fails.
    }
  };
  useEffect(() => {
    void offerPasskeys();
    return stopAsking;
  }, []);

  const send = async (): Promise<void> => {
    const address = email.value.trim();
    if (!address.includes("@")) return byPassword.refuse("email", t("own_email_invalid"));
    if (password.value === "") return byPassword.refuse("password", t("own_password_wanted"));
    try {
      onEntered(await signInApi.byPassword(address, password.value));
    } catch (error) {
      passwordField.current?.select();
      throw error;
    }
  };
  const findProviders = async (): Promise<void> => {
    const address = email.value.trim();
    if (address === lastAsked.current || !/^[^@\s]+@[^@\s]+$/.test(address)) return;
    lastAsked.current = address;
    providers.value = [];
    // Nothing depends on it: without an answer the other ways remain.
    const found = await signInApi.providers(address).catch(() => null);
    if (found !== null && email.peek().trim() === address) providers.value = found.providers;
  };
  return (
    <>
      <Form submission={byPassword} label={t("sign_in")} onSend={send}>
        <p class="soft">{t("sign_in_intro")}</p>
        <TextField
          label={t("email")}
          type="email"
          inputMode="email"
          autocomplete="username webauthn"
          maxLength={300}
          value={email}
          error={byPassword.of("email")}
          onComplete={() => void findProviders()}
        />
        <PasswordField
          label={t("password")}
          autocomplete="current-password"
          value={password}
          inputRef={passwordField}
          error={byPassword.of("password")}
        />
        <Button kind="main" type="submit" icon={LogIn} disabled={byPassword.isBusy.value}>
          {byPassword.isBusy.value ? t("signing_in") : t("sign_in")}
        </Button>
      </Form>
      <div class="stack tight other-ways">
        {providers.value.map((provider) => (
          <a key={provider.id} class="button" href={`/api/v1/sign-in/oidc/${encodeURIComponent(provider.id)}/start`}>
            <Icon as={Building2} size={18} />
            <span>{t("sign_in_by_provider", { label: clean(provider.label) })}</span>
          </a>
        ))}
        {browserSupportsWebAuthn() && (
          <Button
            icon={Fingerprint}
            disabled={byPasskey.isBusy.value}
            onPress={() => void byPasskey.send(async () => onEntered(await signInByPasskey(null)))}
          >
            {t("sign_in_by_passkey")}
          </Button>
        )}
        {byPasskey.fault.value !== null && (
          <Notice kind="bad" live>
            {byPasskey.fault.value}
          </Notice>
        )}
        <Button kind="quiet" onPress={onForgotten}>
          {t("forgot_password")}
        </Button>
      </div>
    </>
  );
}
