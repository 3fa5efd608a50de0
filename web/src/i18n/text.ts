/**
 * What people read, in their language: a typed message catalogue.
 *
 * `t("mail_sent", { email })` does not compile without `email`, a catalogue does not compile without every key, and
 * components that call `t` are drawn again when `language` changes.
 */
import { signal } from "@preact/signals";
import type { Language } from "../api/types";
import { en } from "./en";
import { es } from "./es";

export type Key = keyof typeof en;
export type Catalogue = Readonly<Record<Key, string>>;

/** The names in braces of a text. */
type Names<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
type Values<K extends Key> = Readonly<Record<Names<(typeof en)[K]>, string | number>>;
type Arguments<K extends Key> = [Names<(typeof en)[K]>] extends [never] ? [] : [values: Values<K>];

/** Keys of texts without anything to fill in: what tables of texts are made of. */
export type PlainKey = { [K in Key]: [Names<(typeof en)[K]>] extends [never] ? K : never }[Key];

/** Keys that come in a singular and a plural: `tries_left` for `tries_left_one` and `tries_left_other`. */
type Counted = { [K in Key]: K extends `${infer Stem}_one` ? Stem : never }[Key];

const CATALOGUES: Readonly<Record<Language, Catalogue>> = { en, es };
export const LANGUAGES: readonly Language[] = ["en", "es"];
export const LANGUAGE_NAMES: Readonly<Record<Language, PlainKey>> = { en: "english", es: "spanish" };

/** The language of the page. */
export const language = signal<Language>(preferredLanguage(globalThis.navigator?.languages ?? []));

/** The text of `key` in the page's language. */
export function t<K extends Key>(key: K, ...values: Arguments<K>): string {
  return textIn(language.value, key, ...values);
}

/** The text of `key` in another language, for instance the customer's. */
export function textIn<K extends Key>(wanted: Language, key: K, ...values: Arguments<K>): string {
  return fill(CATALOGUES[wanted][key], values[0]);
}

/** The text for a number of things, by the language's own rule of singular and plural. */
export function counted(stem: Counted, count: number): string {
  const form = new Intl.PluralRules(language.value).select(count) === "one" ? "one" : "other";
  return fill(CATALOGUES[language.value][`${stem}_${form}`], { count });
}

/** As `counted`, for a stem that is put together at run time; null if there is no text for it. */
export function countedIfAny(stem: string, count: number): string | null {
  return Object.hasOwn(en, `${stem}_one`) ? counted(stem as Counted, count) : null;
}

/** The text of a key that is put together at run time, or null if there is none. */
export function textIfAny(key: string, values?: Readonly<Record<string, string | number>>): string | null {
  return Object.hasOwn(en, key) ? fill(CATALOGUES[language.value][key as Key], values) : null;
}

/** The first of a browser's languages that we have; English else. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const known = LANGUAGES.find((candidate) => tag.toLowerCase().split("-")[0] === candidate);
    if (known !== undefined) return known;
  }
  return "en";
}

/** Whether an untrusted string is one of our languages. */
export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.includes(value as Language);
}

function fill(text: string, values: Readonly<Record<string, string | number>> | undefined): string {
  if (values === undefined) return text;
  // One pass: a value that looks like a placeholder stays what it is.
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
