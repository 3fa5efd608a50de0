/** The browser's half of passkeys (WebAuthn Level 3): asking an authenticator, and saying what went wrong. */
import { startAuthentication, startRegistration, WebAuthnAbortService } from "@simplewebauthn/browser";
import { accountApi, signInApi, type Proof, type SignInAnswer } from "../api/account";
import { t } from "../i18n/text";
import { sentenceOf } from "../ui/errors";

/**
 * Signs in with a passkey.
 *
 * @param challenge of a sign-in whose first half is done, or null for anybody's passkey.
 * @param isOffered the browser offers passkeys in the e-mail field, and this resolves when one is chosen there.
 */
export async function signInByPasskey(challenge: string | null, isOffered = false): Promise<SignInAnswer> {
  const { token, options } = await signInApi.passkeyOptions(challenge);
  const credential = await startAuthentication({ optionsJSON: options, useBrowserAutofill: isOffered });
  return signInApi.byPasskey(token, credential);
}

/** Ends whatever the browser is being asked. */
export function stopAsking(): void {
  WebAuthnAbortService.cancelCeremony();
}

/** Makes a passkey on this device, or another that the person chooses. */
export async function addPasskey(name: string, proof: Proof): ReturnType<typeof accountApi.addPasskey> {
  const { token, options } = await accountApi.passkeyOptions(proof);
  const credential = await startRegistration({ optionsJSON: options });
  return accountApi.addPasskey(token, name, credential);
}

/** One sentence about anything that a passkey's way can fail with. */
export function passkeySentence(error: unknown): string {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "AbortError":
      return t("passkey_cancelled");
    case "InvalidStateError":
      return t("passkey_known");
    case "SecurityError":
      return t("passkey_wrong_host");
    default:
      return sentenceOf(error);
  }
}
