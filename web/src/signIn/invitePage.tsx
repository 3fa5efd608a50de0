/** `/invite#TOKEN` and `/reset#TOKEN`: somebody was mailed a link, and sets the password they will sign in with. */
import { useSignal } from "@preact/signals";
import { CircleAlert, KeyRound, Link2Off } from "lucide-preact";
import { useEffect } from "preact/hooks";
import { type Challenge, type Invitation, type SignInAnswer, signInApi } from "../api/account";
import { ApiProblem } from "../api/client";
import type { Language } from "../api/types";
import { fragment } from "../console/fragment";
import { Link } from "../console/link";
import { saveLanguage } from "../console/preferences";
import { LANGUAGES, LANGUAGE_NAMES, isLanguage, language, t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { sentenceOf } from "../ui/errors";
import { Face, Loading } from "../ui/faces";
import { Field } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { PasswordField, TextField } from "../ui/textField";
import { LonelyCard } from "./lonelyCard";
import { newPasswordFault } from "./newPassword";
import { SecondFactorStep } from "./secondFactorStep";

type Step =
  | { readonly name: "looking" }
  | { readonly name: "dead" }
  | { readonly name: "failed"; readonly why: string }
  | { readonly name: "form"; readonly invitation: Invitation }
  | { readonly name: "second"; readonly challenge: Challenge };

export function InvitePage({ onSignedIn, onGiveUp }: { onSignedIn: () => void; onGiveUp: () => void }) {
  const step = useSignal<Step>({ name: "looking" });
  const look = async (): Promise<void> => {
    step.value = { name: "looking" };
    try {
      step.value = fragment === "" ? { name: "dead" } : { name: "form", invitation: await signInApi.look(fragment) };
    } catch (error) {
      const isDead = error instanceof ApiProblem && error.status < 429;
      step.value = isDead ? { name: "dead" } : { name: "failed", why: sentenceOf(error) };
    }
  };
  const enter = ({ challenge }: SignInAnswer): void => {
    if (challenge === null) onSignedIn();
    else step.value = { name: "second", challenge };
  };
  useEffect(() => void look(), []);

  const now = step.value;
  return (
    <LonelyCard>
      {now.name === "looking" && <Loading />}
      {now.name === "dead" && (
        <Face icon={Link2Off} title={t("invite_dead")} heading="h1">
          <p>{t("invite_dead_hint")}</p>
          <Link class="button" href="/sign-in">
            {t("back_to_sign_in")}
          </Link>
        </Face>
      )}
      {now.name === "failed" && (
        <Face icon={CircleAlert} title={t("page_failed")} heading="h1">
          <p role="alert">{now.why}</p>
          <Button kind="main" onPress={() => void look()}>
            {t("retry")}
          </Button>
        </Face>
      )}
      {now.name === "form" && (
        <AcceptForm
          invitation={now.invitation}
          onEntered={enter}
          onDead={() => (step.value = { name: "dead" })}
        />
      )}
      {now.name === "second" && (
        <>
          <h1>{t("product")}</h1>
          <SecondFactorStep challenge={now.challenge} onEntered={enter} onStartAgain={onGiveUp} />
        </>
      )}
    </LonelyCard>
  );
}

function AcceptForm({
  invitation,
  onEntered,
  onDead,
}: {
  invitation: Invitation;
  onEntered: (answer: SignInAnswer) => void;
  onDead: () => void;
}) {
  const isWelcome = invitation.purpose === "invitation";
  const name = useSignal(invitation.name);
  const password = useSignal("");
  const submission = useSubmission(["name", "password", "language"]);
  const send = async (): Promise<void> => {
    const fault = newPasswordFault(password.value);
    if (isWelcome && name.value.trim() === "") return submission.refuse("name", t("name_wanted"));
    if (fault !== null) return submission.refuse("password", fault);
    const mine = isWelcome ? { name: name.value.trim(), language: language.value } : {};
    try {
      onEntered(await signInApi.accept({ token: fragment, password: password.value, ...mine }));
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 404) throw error;
      onDead();
    }
  };
  const company = clean(invitation.company);
  return (
    <Form submission={submission} onSend={send}>
      <h1>{isWelcome ? t("invite_title", { company }) : t("reset_title")}</h1>
      <p class="soft">{isWelcome ? t("invite_intro") : t("reset_intro", { company })}</p>
      <Field label={t("email")}>
        {(attributes) => (
          <input {...attributes} type="email" autocomplete="username" readOnly value={clean(invitation.email, 300)} />
        )}
      </Field>
      {isWelcome && (
        <>
          <TextField
            label={t("your_name")}
            hint={t("your_name_hint")}
            autocomplete="name"
            maxLength={100}
            value={name}
            error={submission.of("name")}
          />
          <Field label={t("language")} error={submission.of("language")}>
            {(attributes) => (
              <select
                {...attributes}
                value={language.value}
                onChange={(event) => {
                  const wanted = event.currentTarget.value;
                  if (isLanguage(wanted)) choose(wanted);
                }}
              >
                {LANGUAGES.map((known) => (
                  <option key={known} value={known} lang={known}>
                    {t(LANGUAGE_NAMES[known])}
                  </option>
                ))}
              </select>
            )}
          </Field>
        </>
      )}
      <PasswordField
        label={t("new_password")}
        hint={t("new_password_hint")}
        autocomplete="new-password"
        value={password}
        error={submission.of("password")}
      />
      <Button kind="main" type="submit" icon={KeyRound} disabled={submission.isBusy.value}>
        {submission.isBusy.value ? t("signing_in") : isWelcome ? t("invite_accept") : t("reset_accept")}
      </Button>
    </Form>
  );
}

function choose(wanted: Language): void {
  language.value = wanted;
  saveLanguage(wanted);
}
