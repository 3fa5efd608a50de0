/** What a token may do, in words. */
import type { Permission } from "../api/types";
import { type PlainKey, t } from "../i18n/text";
import { clean } from "../text/clean";

/** In the order in which they are offered; nobody's account is for programs. */
const WORDS: Readonly<Record<Exclude<Permission, "account.manage">, PlainKey>> = {
  "sessions.read": "scope_sessions_read",
  "sessions.use": "scope_sessions_use",
  "sessions.all.read": "scope_sessions_all_read",
  "sessions.all.manage": "scope_sessions_all_manage",
  "people.read": "scope_people_read",
  "people.manage": "scope_people_manage",
  "company.manage": "scope_company_manage",
  "webhooks.manage": "scope_webhooks_manage",
  "audit.read": "scope_audit_read",
};

/** The scopes that somebody with `permissions` can give away. */
export function scopesFor(permissions: readonly Permission[]): readonly Permission[] {
  return (Object.keys(WORDS) as Permission[]).filter((scope) => permissions.includes(scope));
}

/** A scope in words; one that is newer than this page as the relay writes it. */
export function scopeWord(scope: Permission): string {
  return Object.hasOwn(WORDS, scope) ? t(WORDS[scope as keyof typeof WORDS]) : clean(scope);
}
