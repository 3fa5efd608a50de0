import type { Signal } from "@preact/signals";
import { useSignal } from "@preact/signals";
import { Filter, X } from "lucide-preact";
import { type AuditFilter, NO_FILTER } from "../api/audit";
import type { Person } from "../api/company";
import { t } from "../i18n/text";
import { clean } from "../text/clean";
import { Button } from "../ui/buttons";
import { Field } from "../ui/field";
import { Form, useSubmission } from "../ui/form";
import { TextField } from "../ui/textField";
import { ACTION_GROUPS } from "./actions";
import { actionName, actorName } from "./sentences";

const OTHER_ACTORS = ["customer", "host", "clock", "relay", "stranger"] as const;

/** Which rows: time, person, action, session. */
export function AuditFilterForm({
  filter,
  people,
  onFilter,
}: {
  filter: Signal<AuditFilter>;
  people: readonly Person[];
  onFilter: () => Promise<void>;
}) {
  const submission = useSubmission();
  const from = useSignal(filter.peek().from);
  const to = useSignal(filter.peek().to);
  const actor = useSignal(filter.peek().actor);
  const action = useSignal(filter.peek().action);
  const session = useSignal(filter.peek().session);
  const apply = async (): Promise<void> => {
    filter.value = {
      from: from.value,
      to: to.value,
      actor: actor.value,
      action: action.value,
      session: session.value.trim(),
    };
    await onFilter();
  };
  const clear = (): void => {
    for (const field of [from, to, actor, action, session]) field.value = "";
    filter.value = NO_FILTER;
    void onFilter();
  };
  const isFiltered = Object.values(filter.value).some((value) => value !== "");
  return (
    <Form submission={submission} label={t("audit_filter")} onSend={apply}>
      <div class="filters">
        <TextField label={t("audit_from")} type="date" value={from} />
        <TextField label={t("audit_to")} type="date" value={to} />
        <Field label={t("audit_who")}>
          {(attributes) => (
            <select {...attributes} value={actor.value} onChange={(event) => (actor.value = event.currentTarget.value)}>
              <option value="">{t("audit_everybody")}</option>
              {people.map((person) => (
                <option key={person.id} value={`technician:${person.id}`}>
                  {clean(person.name, 100)}
                </option>
              ))}
              {OTHER_ACTORS.map((other) => (
                <option key={other} value={other}>
                  {actorName(other, null)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t("audit_what")}>
          {(attributes) => (
            <select {...attributes} value={action.value} onChange={(event) => (action.value = event.currentTarget.value)}>
              <option value="">{t("audit_everything")}</option>
              {ACTION_GROUPS.map(({ word, actions }) => (
                <optgroup key={word} label={t(word)}>
                  {actions.map((known) => (
                    <option key={known} value={known}>
                      {actionName(known)}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          )}
        </Field>
        <TextField label={t("audit_session")} hint={t("audit_session_hint")} maxLength={43} isSecret value={session} />
      </div>
      <div class="row">
        <Button type="submit" icon={Filter}>
          {t("audit_apply")}
        </Button>
        {isFiltered && (
          <Button kind="quiet" icon={X} onPress={clear}>
            {t("audit_clear")}
          </Button>
        )}
      </div>
    </Form>
  );
}
