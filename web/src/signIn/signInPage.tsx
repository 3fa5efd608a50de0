/** Signing in: by a one-time link (its token was in the fragment), a password, a passkey or an identity provider. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Challenge, type SignInAnswer, signInApi } from "../api/account";
import { ApiProblem } from "../api/client";
import { fragment } from "../console/fragment";
import { t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Loading, Notice } from "../ui/faces";
import { Forgotten } from "./forgotten";
import { LonelyCard } from "./lonelyCard";
import { PasswordForm } from "./passwordForm";
import { PasswordOffer } from "./passwordOffer";
import { SecondFactorStep } from "./secondFactorStep";

type Step =
  | { readonly name: "link" }
  | { readonly name: "form" }
  | { readonly name: "forgotten" }
  | { readonly name: "second"; readonly challenge: Challenge }
  | { readonly name: "offer_password" };

const PROVIDER_FAILED = "error=oidc";

/** The token is good for one try, also when this component is made anew. */
let unspentToken = fragment === PROVIDER_FAILED ? "" : fragment;
let hasProviderFailed = fragment === PROVIDER_FAILED;

export function SignInPage({ onSignedIn }: { onSignedIn: () => void }) {
  const step = useSignal<Step>({ name: unspentToken === "" ? "form" : "link" });
  const email = useSignal("");
  const fault = useSignal<string | null>(null);
  const isByLink = useSignal(false);

  const enter = ({ challenge, signed_in }: SignInAnswer): void => {
    if (challenge !== null) step.value = { name: "second", challenge };
    else if (isByLink.peek() && signed_in?.technician.has_password === false) step.value = { name: "offer_password" };
    else onSignedIn();
  };
  const startAgain = (why: string | null): void => {
    fault.value = why;
    step.value = { name: "form" };
  };
  const spend = async (): Promise<void> => {
    const token = unspentToken;
    unspentToken = "";
    step.value = { name: "link" };
    fault.value = null;
    isByLink.value = true;
    try {
      enter(await signInApi.byLink(token));
    } catch (error) {
      isByLink.value = false;
      const isRefused = error instanceof ApiProblem && error.status < 429;
      // Without a verdict the token may still be good, and the address bar has it no more.
      if (!isRefused) unspentToken = token;
      startAgain(isRefused ? t("sign_in_link_failed") : sentenceOf(error));
    }
  };
  useEffect(() => {
    if (hasProviderFailed) fault.value = t("provider_failed");
    hasProviderFailed = false;
    if (unspentToken !== "") void spend();
  }, []);

  const now = step.value;
  return (
    <LonelyCard>
      <h1>{t("product")}</h1>
      {now.name === "link" && <Loading text={t("signing_in")} />}
      {now.name === "form" && (
        <>
          {fault.value !== null && (
            <Notice kind="bad" live>
              <p>{fault.value}</p>
              {unspentToken !== "" && <Button onPress={() => void spend()}>{t("retry")}</Button>}
            </Notice>
          )}
          <PasswordForm email={email} onEntered={enter} onForgotten={() => (step.value = { name: "forgotten" })} />
        </>
      )}
      {now.name === "forgotten" && <Forgotten email={email} onBack={() => startAgain(null)} />}
      {now.name === "second" && (
        <SecondFactorStep challenge={now.challenge} onEntered={enter} onStartAgain={startAgain} />
      )}
      {now.name === "offer_password" && <PasswordOffer onDone={onSignedIn} />}
    </LonelyCard>
  );
}
