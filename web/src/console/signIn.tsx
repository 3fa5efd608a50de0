/** Signing in: by a one-time link (its token was in the fragment), or with e-mail and password. */
import { useSignal } from "@preact/signals";
import { KeyRound, LogIn } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { ApiProblem, api } from "../api/client";
import { language, t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Loading, Notice } from "../ui/faces";
import { Field } from "../ui/field";
import { LanguageSwitch } from "../ui/language";
import { signInToken } from "./fragment";
import { saveLanguage, savedLanguage } from "./preferences";

const MIN_PASSWORD_CHARACTERS = 12;

type Step = "link" | "form" | "offer_password";

/** The token is good for one try, also when this component is made anew. */
let unspentToken = signInToken;

export function SignInPage({ onSignedIn }: { onSignedIn: () => void }) {
  const step = useSignal<Step>(unspentToken === "" ? "form" : "link");
  const fault = useSignal<string | null>(null);
  const spend = async (): Promise<void> => {
    const token = unspentToken;
    unspentToken = "";
    step.value = "link";
    fault.value = null;
    try {
      const { technician } = await api.signInByLink(token);
      if (technician.has_password) onSignedIn();
      else step.value = "offer_password";
    } catch (error) {
      const isRefused = error instanceof ApiProblem && error.status < 429;
      fault.value = isRefused ? t("sign_in_link_failed") : sentenceOf(error);
      // Without a verdict the token may still be good, and the address bar has it no more.
      if (!isRefused) unspentToken = token;
      step.value = "form";
    }
  };
  useEffect(() => {
    const saved = savedLanguage();
    if (saved !== null) language.value = saved;
    if (unspentToken !== "") void spend();
  }, []);
  return (
    <main class="lonely">
      <div class="card sign-in stack">
        <h1>{t("product")}</h1>
        {step.value === "link" && <Loading text={t("signing_in")} />}
        {step.value === "form" && (
          <>
            {fault.value !== null && (
              <Notice kind="bad" live>
                <p>{fault.value}</p>
                {unspentToken !== "" && <Button onPress={() => void spend()}>{t("retry")}</Button>}
              </Notice>
            )}
            <PasswordForm onSignedIn={onSignedIn} />
          </>
        )}
        {step.value === "offer_password" && <PasswordOffer onDone={onSignedIn} />}
      </div>
      <LanguageSwitch onChange={saveLanguage} />
    </main>
  );
}

function PasswordForm({ onSignedIn }: { onSignedIn: () => void }) {
  const email = useSignal("");
  const password = useSignal("");
  const fault = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const passwordField = useRef<HTMLInputElement>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    fault.value = null;
    try {
      await api.signIn(email.value.trim(), password.value);
      onSignedIn();
    } catch (error) {
      fault.value = sentenceOf(error);
      passwordField.current?.select();
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      <p class="soft">{t("sign_in_intro")}</p>
      <Field label={t("email")}>
        {(attributes) => (
          <input
            {...attributes}
            type="email"
            name="email"
            autocomplete="username"
            required
            value={email.value}
            onInput={(event) => (email.value = event.currentTarget.value)}
          />
        )}
      </Field>
      <Field label={t("password")}>
        {(attributes) => (
          <input
            {...attributes}
            ref={passwordField}
            type="password"
            name="password"
            autocomplete="current-password"
            required
            value={password.value}
            onInput={(event) => (password.value = event.currentTarget.value)}
          />
        )}
      </Field>
      {fault.value !== null && (
        <Notice kind="bad" live>
          {fault.value}
        </Notice>
      )}
      <Button kind="main" type="submit" icon={LogIn} disabled={isBusy.value}>
        {isBusy.value ? t("signing_in") : t("sign_in")}
      </Button>
    </form>
  );
}

/** Offered once after a first sign-in by link, and easy to leave. */
function PasswordOffer({ onDone }: { onDone: () => void }) {
  const password = useSignal("");
  const fault = useSignal<string | null>(null);
  const isBusy = useSignal(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (Array.from(password.value).length < MIN_PASSWORD_CHARACTERS) {
      fault.value = t("new_password_hint");
      return;
    }
    isBusy.value = true;
    fault.value = null;
    try {
      await api.setPassword(password.value);
      onDone();
    } catch (error) {
      fault.value = sentenceOf(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      <h2>{t("set_password_title")}</h2>
      <p class="soft">{t("set_password_intro")}</p>
      <Field label={t("new_password")} hint={t("new_password_hint")} error={fault.value}>
        {(attributes) => (
          <input
            {...attributes}
            type="password"
            autocomplete="new-password"
            value={password.value}
            onInput={(event) => (password.value = event.currentTarget.value)}
          />
        )}
      </Field>
      <div class="row">
        <Button kind="main" type="submit" icon={KeyRound} disabled={isBusy.value}>
          {t("save_password")}
        </Button>
        <Button onPress={onDone}>{t("not_now")}</Button>
      </div>
    </form>
  );
}
