import { useSignal } from "@preact/signals";
import { Fingerprint, LogIn } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { type Challenge, type SignInAnswer, signInApi, type Way } from "../api/account";
import { ApiProblem } from "../api/client";
import { type PlainKey, t } from "../i18n/text";
import { Button } from "../ui/buttons";
import { Notice } from "../ui/faces";
import { Form, useSubmission } from "../ui/form";
import { TextField } from "../ui/textField";
import { passkeySentence, signInByPasskey } from "./passkeys";

/** Tries of one challenge, as the relay counts them. */
const MAX_TRIES = 5;

const CODES = {
  totp: { title: "second_totp", label: "second_totp_label", hint: "second_totp_hint" },
  recovery: { title: "second_recovery", label: "second_recovery_label", hint: "second_recovery_hint" },
} as const;

const OTHERS: Readonly<Record<Way, PlainKey>> = {
  totp: "second_use_totp",
  passkey: "second_use_passkey",
  recovery: "second_use_recovery",
};

/** The other half of a sign-in: a code, a passkey, or one of the recovery codes. */
export function SecondFactorStep({
  challenge,
  onEntered,
  onStartAgain,
}: {
  challenge: Challenge;
  onEntered: (answer: SignInAnswer) => void;
  onStartAgain: (why: string | null) => void;
}) {
  const way = useSignal<Way>(challenge.ways[0] ?? "totp");
  const tries = useRef(0);
  const countTry = (error: unknown): void => {
    if (!(error instanceof ApiProblem) || error.status !== 401) return;
    tries.current += 1;
    if (tries.current >= MAX_TRIES) onStartAgain(t("second_tries_over"));
  };
  const chosen = way.value;
  return (
    <>
      {chosen === "passkey" ? (
        <PasskeyStep challenge={challenge} onEntered={onEntered} onFault={countTry} />
      ) : (
        <CodeStep key={chosen} way={chosen} challenge={challenge} onEntered={onEntered} onFault={countTry} />
      )}
      <div class="stack tight other-ways">
        {challenge.ways
          .filter((other) => other !== chosen)
          .map((other) => (
            <Button key={other} kind="quiet" onPress={() => (way.value = other)}>
              {t(OTHERS[other])}
            </Button>
          ))}
        <Button kind="quiet" onPress={() => onStartAgain(null)}>
          {t("start_again")}
        </Button>
      </div>
    </>
  );
}

interface StepProps {
  challenge: Challenge;
  onEntered: (answer: SignInAnswer) => void;
  onFault: (error: unknown) => void;
}

function CodeStep({ way, challenge, onEntered, onFault }: StepProps & { way: "totp" | "recovery" }) {
  const code = useSignal("");
  const submission = useSubmission(["code"]);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const send = async (): Promise<void> => {
    if (code.value.trim() === "") return submission.refuse("code", t(CODES[way].hint));
    try {
      onEntered(await signInApi.byCode(challenge.token, way, code.value.trim()));
    } catch (error) {
      onFault(error);
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error;
      submission.refuse("code", error.message);
    }
  };
  return (
    <Form submission={submission} label={t(CODES[way].title)} onSend={send}>
      <h2>{t(CODES[way].title)}</h2>
      <TextField
        label={t(CODES[way].label)}
        hint={t(CODES[way].hint)}
        value={code}
        isSecret
        inputRef={field}
        autocomplete={way === "totp" ? "one-time-code" : "off"}
        inputMode={way === "totp" ? "numeric" : "text"}
        maxLength={40}
        error={submission.of("code")}
      />
      <Button kind="main" type="submit" icon={LogIn} disabled={submission.isBusy.value}>
        {submission.isBusy.value ? t("signing_in") : t("sign_in")}
      </Button>
    </Form>
  );
}

function PasskeyStep({ challenge, onEntered, onFault }: StepProps) {
  const submission = useSubmission([], passkeySentence);
  const ask = async (): Promise<void> => {
    try {
      onEntered(await signInByPasskey(challenge.token));
    } catch (error) {
      onFault(error);
      throw error;
    }
  };
  return (
    <>
      <h2>{t("second_passkey")}</h2>
      <p class="soft">{t("second_passkey_hint")}</p>
      {submission.fault.value !== null && (
        <Notice kind="bad" live>
          {submission.fault.value}
        </Notice>
      )}
      <Button
        kind="main"
        icon={Fingerprint}
        disabled={submission.isBusy.value}
        onPress={() => void submission.send(ask)}
      >
        {t("use_passkey")}
      </Button>
    </>
  );
}
