/**
 * Pairing keys in IndexedDB: what this browser needs, together with the access password, to connect to a paired host.
 * One record a session, removed when the session has ended.
 */
import { OneStore } from "./database";

const KEYS = new OneStore("adhoc", "pairing_keys");
export const PAIRING_KEY_BYTES = 32;

/**
 * @param key 32 bytes.
 * @throws DOMException if the browser keeps nothing (private windows of some browsers, full disks).
 */
export async function storePairingKey(session: string, key: Uint8Array): Promise<void> {
  await KEYS.ask("readwrite", (store) => store.put(key.slice(), session));
}

/** @returns 32 bytes, or null if this browser has none for the session, or cannot tell. */
export async function loadPairingKey(session: string): Promise<Uint8Array | null> {
  try {
    const found: unknown = await KEYS.ask("readonly", (store) => store.get(session));
    return found instanceof Uint8Array && found.length === PAIRING_KEY_BYTES ? found : null;
  } catch {
    return null;
  }
}

/** Forgets the key of a session that has ended; failing to do so harms nobody, the host's half is gone. */
export async function removePairingKey(session: string): Promise<void> {
  try {
    await KEYS.ask("readwrite", (store) => store.delete(session));
  } catch {
    // Nothing was kept here then.
  }
}
