/** Roles in words. */
import type { Role } from "../api/types";
import { type PlainKey, t } from "../i18n/text";
import { clean } from "../text/clean";

export const ROLES: readonly Role[] = ["technician", "admin", "owner", "auditor"];

const WORDS: Readonly<Record<Role, { readonly word: PlainKey; readonly hint: PlainKey }>> = {
  owner: { word: "role_owner", hint: "role_owner_hint" },
  admin: { word: "role_admin", hint: "role_admin_hint" },
  technician: { word: "role_technician", hint: "role_technician_hint" },
  auditor: { word: "role_auditor", hint: "role_auditor_hint" },
};

export function roleWord(role: Role): string {
  return Object.hasOwn(WORDS, role) ? t(WORDS[role].word) : clean(role);
}

/** What somebody in the role may do, in one sentence. */
export function roleHint(role: Role): string {
  return t(WORDS[role].hint);
}

/** The roles that somebody in `actor`'s role may give, take and disable (`may_manage` of the relay). */
export function manageableRoles(actor: Role): readonly Role[] {
  if (actor === "owner") return ROLES;
  return actor === "admin" ? ROLES.filter((role) => role !== "owner") : [];
}
