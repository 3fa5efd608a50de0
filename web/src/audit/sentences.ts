/** Rows of the audit log as sentences. Whatever the relay writes that is newer than this page still shows, in its own words. */
import { type PlainKey, language, t, textIfAny } from "../i18n/text";
import { clean } from "../text/clean";
import { formatSpan } from "../text/format";

/** What a sentence needs of a row; rows of a session's history have the same. */
export interface Happened {
  readonly actor: string;
  /** Of a technician. */
  readonly actor_name: string | null;
  readonly action: string;
  readonly fields: Readonly<Record<string, unknown>> | null;
}

const ACTORS: Readonly<Record<string, PlainKey>> = {
  host: "actor_host",
  customer: "actor_customer",
  clock: "actor_clock",
  relay: "actor_relay",
  stranger: "actor_stranger",
  viewer: "actor_viewer",
};

const MAX_DETAIL = 160;
const MAX_LIST = 12;

/** Who did it, in words. */
export function actorName(actor: string, name: string | null): string {
  if (Object.hasOwn(ACTORS, actor)) return t(ACTORS[actor] as PlainKey);
  return clean(name, 100) || t("actor_unknown");
}

/** What happened, in one sentence. */
export function sentenceOfRow(row: Happened): string {
  const actor = actorName(row.actor, row.actor_name);
  return textIfAny(`audit_${row.action}`, { actor }) ?? t("audit_other", { actor, action: clean(row.action) });
}

/**
 * Details of a row: a word for what it is, and its value.
 *
 * @param names of people by their ids, which are not for people to read.
 */
export function detailsOf(
  fields: Readonly<Record<string, unknown>> | null,
  names: ReadonlyMap<string, string> = new Map(),
): readonly (readonly [string, string])[] {
  return Object.entries(fields ?? {})
    .map(([name, value]) => [fieldWord(name), valueWord(name, names.get(String(value)) ?? value)] as const)
    .filter(([, value]) => value !== "");
}

/** The action in a few words, for the filter: the sentence without anybody. */
export function actionName(action: string): string {
  return textIfAny(`audit_${action}`, { actor: "…" }) ?? clean(action);
}

function fieldWord(name: string): string {
  return textIfAny(`field_${name}`) ?? clean(name.replaceAll("_", " "));
}

function valueWord(name: string, value: unknown): string {
  if (Array.isArray(value)) {
    const words = value.slice(0, MAX_LIST).map((part) => valueWord(name, part));
    return words.join(", ") + (value.length > MAX_LIST ? "…" : "");
  }
  if (typeof value === "number") {
    return name === "seconds" || name === "duration"
      ? formatSpan(value, language.value)
      : value.toLocaleString(language.value);
  }
  if (typeof value === "boolean") return t(value ? "yes" : "no");
  if (typeof value !== "string") return "";
  return textIfAny(`${VALUE_FAMILIES[name] ?? "value"}_${value}`) ?? clean(value, MAX_DETAIL);
}

/** Whose words the values of a field are. */
const VALUE_FAMILIES: Readonly<Record<string, string>> = {
  way: "way",
  tool: "tool_name",
  kinds: "tool_name",
  access: "access",
  role: "role",
  refusal: "step_refused",
};
