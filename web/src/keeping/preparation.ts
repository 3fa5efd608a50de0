/** What a technician's page makes for a new session. Only the invite goes to the relay (docs/protocol.md §7). */
import { randomBytes } from "../protocol/bytes";
import { CodeError, newSecurityCode, normaliseAccessPassword } from "../protocol/codes";
import { INVITE_BYTES, SECRET_BYTES, decodeBase64url, encodeBase64url, formatDeploymentLink } from "../protocol/links";
import type { Pending } from "./pending";

/** Ours, not the protocol's: the shortest access password a technician may choose. */
export const MIN_PASSWORD_CHARACTERS = 8;

/** Why an access password cannot be taken, as the key of a text; null if it can. */
export function passwordFault(password: string): "password_too_short" | "password_invalid" | null {
  if (Array.from(password.normalize("NFC")).length < MIN_PASSWORD_CHARACTERS) return "password_too_short";
  try {
    normaliseAccessPassword(password);
    return null;
  } catch (error) {
    if (error instanceof CodeError) return "password_invalid";
    throw error;
  }
}

/**
 * Fresh secrets around an access password.
 *
 * @param shownAt when the code is shown, Unix milliseconds of this browser.
 * @throws CodeError if `password` cannot be one.
 */
export function newPending(password: string, keepsKeyHere: boolean, shownAt: number): Pending {
  return {
    invite: encodeBase64url(randomBytes(INVITE_BYTES)),
    secret: encodeBase64url(randomBytes(SECRET_BYTES)),
    password: normaliseAccessPassword(password),
    code: newSecurityCode(),
    slot: 1,
    shownAt,
    keepsKeyHere,
  };
}

/** The deployment link of a prepared session. */
export function linkOf(pending: Pending, origin: string): string {
  return formatDeploymentLink({
    origin,
    invite: decodeBase64url(pending.invite, INVITE_BYTES),
    secret: decodeBase64url(pending.secret, SECRET_BYTES),
    accessPassword: pending.password,
  });
}
