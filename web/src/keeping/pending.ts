/**
 * Secrets of sessions that are prepared but not yet active. They live in the tab's `sessionStorage`, so that a reload
 * does not lose them and closing the tab does; from activation or the end on they are gone.
 *
 * Everything that comes out of storage is checked: other scripts of this origin in an older version may have written it.
 */
import { newSecurityCode } from "../protocol/codes";

/** How long a code is shown and accepted, seconds (SECURITY). */
export const CODE_TTL = 600;

export interface Pending {
  /** base64url of 16 bytes. */
  readonly invite: string;
  /** base64url of 16 bytes; never sent to the relay. */
  readonly secret: string;
  readonly password: string;
  /** 9 ASCII digits; never sent to the relay. */
  readonly code: string;
  /** Which code of the session this is, from 1. */
  readonly slot: number;
  /** When the code was first shown, Unix milliseconds of this browser. */
  readonly shownAt: number;
  /** The pairing key stays in this browser: no encrypted copy goes to the relay. */
  readonly keepsKeyHere: boolean;
}

/** The part of `Storage` that is needed. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

const PREFIX = "adhoc.pending.";

export class PendingSecrets {
  constructor(private readonly store: Store) {}

  /** The secrets of a session, or null. Never throws: unreadable ones count as none. */
  get(session: string): Pending | null {
    try {
      return parsePending(JSON.parse(this.store.getItem(PREFIX + session) ?? "null"));
    } catch {
      return null;
    }
  }

  put(session: string, pending: Pending): void {
    this.store.setItem(PREFIX + session, JSON.stringify(pending));
  }

  remove(session: string): void {
    this.store.removeItem(PREFIX + session);
  }

  /** Forgets every session but these. */
  keepOnly(sessions: ReadonlySet<string>): void {
    const names = Array.from({ length: this.store.length }, (_, index) => this.store.key(index) ?? "");
    for (const name of names) {
      if (name.startsWith(PREFIX) && !sessions.has(name.slice(PREFIX.length))) this.store.removeItem(name);
    }
  }
}

/** The same secrets with another code, shown from `now` (Unix milliseconds) on. */
export function withNewCode(pending: Pending, slot: number, now: number): Pending {
  let code = newSecurityCode();
  while (code === pending.code) code = newSecurityCode();
  return { ...pending, code, slot, shownAt: now };
}

/** Seconds until the code is over; 0 if it is. A clock set back does not make it valid for longer. */
export function secondsLeft(pending: Pending, now: number): number {
  const age = (now - pending.shownAt) / 1000;
  return age < 0 ? 0 : Math.max(0, CODE_TTL - age);
}

function parsePending(value: unknown): Pending | null {
  if (typeof value !== "object" || value === null) return null;
  const { invite, secret, password, code, slot, shownAt, keepsKeyHere } = value as Record<string, unknown>;
  if (typeof invite !== "string" || !/^[\w-]{22}$/.test(invite)) return null;
  if (typeof secret !== "string" || !/^[\w-]{22}$/.test(secret)) return null;
  if (typeof password !== "string" || password === "") return null;
  if (typeof code !== "string" || !/^\d{9}$/.test(code)) return null;
  if (typeof slot !== "number" || typeof shownAt !== "number" || typeof keepsKeyHere !== "boolean") return null;
  return { invite, secret, password, code, slot, shownAt, keepsKeyHere };
}
