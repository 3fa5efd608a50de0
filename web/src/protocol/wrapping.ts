/** The pairing key, wrapped under the access password (docs/protocol.md §5); see `relay/protocol/wrapping.py`. */
import { concat, randomBytes, utf8, type Bytes } from "./bytes";
import { CloseReason } from "./closeReasons";
import { normaliseAccessPassword } from "./codes";
import { RemoteProtocolError, WrongSecret } from "./errors";

export const ROUNDS = 600_000;
export const SALT_BYTES = 16;
export const NONCE_BYTES = 12;
export const WRAPPED_BYTES = SALT_BYTES + NONCE_BYTES + 32 + 16;

/** 76 bytes that only the access password opens. @throws CodeError if the password cannot be one. */
export async function wrapPairingKey(
  pairingKey: Bytes,
  accessPassword: string,
  session: string,
  random: (size: number) => Bytes = randomBytes,
): Promise<Bytes> {
  const salt = random(SALT_BYTES);
  const nonce = random(NONCE_BYTES);
  const key = await deriveKey(accessPassword, salt);
  return concat(salt, nonce, new Uint8Array(await crypto.subtle.encrypt(parameters(nonce, session), key, pairingKey)));
}

/**
 * The 32-byte pairing key.
 *
 * @throws WrongSecret with WRONG_PASSWORD, if the password is another one or the bytes were changed.
 * @throws RemoteProtocolError if `wrapped` has another length; CodeError if the password cannot be one.
 */
export async function unwrapPairingKey(wrapped: Bytes, accessPassword: string, session: string): Promise<Bytes> {
  if (wrapped.length !== WRAPPED_BYTES) {
    throw new RemoteProtocolError("The wrapped pairing key has a wrong length.");
  }
  const salt = wrapped.subarray(0, SALT_BYTES);
  const nonce = wrapped.subarray(SALT_BYTES, SALT_BYTES + NONCE_BYTES);
  const key = await deriveKey(accessPassword, salt);
  try {
    const sealed = wrapped.subarray(SALT_BYTES + NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt(parameters(nonce, session), key, sealed));
  } catch {
    throw new WrongSecret(CloseReason.WRONG_PASSWORD);
  }
}

async function deriveKey(accessPassword: string, salt: Bytes): Promise<CryptoKey> {
  const password = utf8(normaliseAccessPassword(accessPassword));
  const material = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveKey"]);
  const derivation = { name: "PBKDF2", hash: "SHA-256", salt, iterations: ROUNDS };
  return crypto.subtle.deriveKey(derivation, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

function parameters(iv: Bytes, session: string): AesGcmParams {
  return { name: "AES-GCM", iv, additionalData: utf8(`adhoc.v1 wrapped\0${session}`) };
}
