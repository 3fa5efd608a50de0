import type { Signal } from "@preact/signals";
import type { Role } from "../api/types";
import { t } from "../i18n/text";
import { Field } from "../ui/field";
import { manageableRoles, roleHint, roleWord } from "./roles";

/** A choice of the roles that one may give, with what the chosen one may do. */
export function RoleField({ own, value, error }: { own: Role; value: Signal<Role>; error: string | null }) {
  return (
    <Field label={t("role")} hint={roleHint(value.value)} error={error}>
      {(attributes) => (
        <select {...attributes} value={value.value} onChange={(event) => (value.value = event.currentTarget.value as Role)}>
          {manageableRoles(own).map((role) => (
            <option key={role} value={role}>
              {roleWord(role)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
