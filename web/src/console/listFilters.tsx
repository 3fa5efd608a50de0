/** What the list of sessions is searched and sorted by. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { peopleApi } from "../api/company";
import type { Me, SessionQuery } from "../api/types";
import { t, type PlainKey } from "../i18n/text";
import { clean } from "../text/clean";
import { Field } from "../ui/field";
import { useLoaded } from "../ui/load";
import type { SessionList } from "./sessionList";

const STATES: readonly (readonly [SessionQuery["state"], PlainKey])[] = [
  ["all", "list_all"],
  ["open", "list_open"],
  ["prepared", "state_prepared"],
  ["waiting", "state_waiting"],
  ["active", "state_active"],
  ["ended", "state_ended"],
];

const SORTS: readonly (readonly [SessionQuery["sort"], PlainKey])[] = [
  ["newest", "sort_newest"],
  ["oldest", "sort_oldest"],
  ["expires", "sort_expires"],
  ["customer", "sort_customer"],
];

const SCOPES: readonly (readonly [SessionQuery["scope"], PlainKey])[] = [
  ["mine", "scope_mine"],
  ["company", "scope_company"],
];

/** How long after the last key the relay is asked, milliseconds. */
const PAUSE = 300;

export function ListFilters({ list, me }: { list: SessionList; me: Me }) {
  const { scope, state, technician, sort } = list.query.value;
  const text = useSignal(list.query.peek().q);
  useEffect(() => {
    if (text.value === list.query.peek().q) return undefined;
    const timer = setTimeout(() => void list.change({ q: text.value }), PAUSE);
    return () => clearTimeout(timer);
  }, [text.value]);
  return (
    <search class="list-filters">
      <Field label={t("list_search")} hint={t("list_search_hint")}>
        {(attributes) => (
          <input
            {...attributes}
            class="list-search"
            type="search"
            maxLength={100}
            value={text.value}
            onInput={(event) => (text.value = event.currentTarget.value)}
          />
        )}
      </Field>
      {me.permissions.includes("sessions.all.read") && (
        <Choice
          label={t("list_scope")}
          value={scope}
          choices={SCOPES}
          onChange={(wanted) => void list.change({ scope: wanted, technician: "" })}
        />
      )}
      {scope === "company" && (
        <TechnicianChoice value={technician} onChange={(wanted) => void list.change({ technician: wanted })} />
      )}
      <Choice
        label={t("list_state")}
        value={state}
        choices={STATES}
        onChange={(wanted) => void list.change({ state: wanted })}
      />
      <Choice
        label={t("list_sort")}
        value={sort}
        choices={SORTS}
        onChange={(wanted) => void list.change({ sort: wanted })}
      />
    </search>
  );
}

function Choice<V extends string>({
  label,
  value,
  choices,
  onChange,
}: {
  label: string;
  value: V;
  choices: readonly (readonly [V, PlainKey])[];
  onChange: (value: V) => void;
}) {
  return (
    <Field label={label}>
      {(attributes) => (
        <select
          {...attributes}
          value={value}
          onChange={(event) => {
            const chosen = choices.find(([known]) => known === event.currentTarget.value);
            if (chosen !== undefined) onChange(chosen[0]);
          }}
        >
          {choices.map(([known, word]) => (
            <option key={known} value={known}>
              {t(word)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function TechnicianChoice({ value, onChange }: { value: string; onChange: (id: string) => void }) {
  const people = useLoaded(peopleApi.list);
  return (
    <Field label={t("technician")}>
      {(attributes) => (
        <select {...attributes} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">{t("list_everybody")}</option>
          {(people.value.value?.people ?? []).map(({ id, name }) => (
            <option key={id} value={id}>
              {clean(name)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
