/**
 * Which names of the customer's computer can be names here, exactly as they are: nothing is renamed by synchronising.
 *
 * This computer may be of any system, so that what is special to one of them is left alone everywhere; and what a name may
 * do to a person who reads it (control and bidi characters) counts as special too.
 */
import type { PlainKey } from "../../i18n/text";
import { isName } from "../client";
import type { Name } from "../paths";
import type { Listing } from "./plan";

/** The undo folder, in the folder that is synchronised; as the terminal's. */
export const UNDO_FOLDER = ".adhoc-undo";
const MAX_NAME_BYTES = 255;

/** Control, format (but for the joiners that writing needs), line-ending characters and lone surrogates. */
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const SPECIAL = /[<>:"|?*\\]/;
/** What Windows takes for a device, whatever follows the first dot. */
export const DEVICE = /^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)/i;
/** Files that do something by lying there: browsers let no page write them. */
const SHELL = /\.(lnk|local|scf|url)$/i;

/** Why a thing of this name is left alone; null: it is not. */
export function whyNotHere(name: Name): PlainKey | null {
  if (!isName(name)) return "sync_name_path";
  if (typeof name !== "string") return "sync_name_bytes";
  if (UNSEEN.test(name)) return "sync_name_unseen";
  if (SPECIAL.test(name)) return "sync_name_special";
  if (/[. ]$/.test(name)) return "sync_name_end";
  if (DEVICE.test(name)) return "sync_name_device";
  if (SHELL.test(name)) return "sync_name_shell";
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return "sync_name_long";
  return null;
}

/** What is nobody's business: parts of transfers, on either side, and the undo folder itself. */
export function isOurs(folder: string, name: string): boolean {
  return (name.startsWith(".") && name.endsWith(".part")) || name.endsWith(".crswap") || (folder === "" && name === UNDO_FOLDER);
}

/**
 * Paths whose last name differs from another one's only in capitals or in how an accent is written. A disk of this computer
 * may take them for one, and let one replace the other. If both are on this computer already, its disk tells them apart.
 */
export function collisions(local: Listing, remote: Listing): Set<string> {
  const groups = new Map<string, string | Set<string>>();
  const add = (path: string): void => {
    const at = path.lastIndexOf("/") + 1;
    const key = path.slice(0, at) + path.slice(at).normalize("NFC").toLowerCase();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, path);
    else if (typeof group === "string") group !== path && groups.set(key, new Set([group, path]));
    else group.add(path);
  };
  for (const path of local.keys()) add(path);
  for (const path of remote.keys()) add(path);
  const found = new Set<string>();
  for (const group of groups.values()) {
    if (typeof group === "string" || [...group].filter((path) => local.has(path)).length > 1) continue;
    for (const path of group) found.add(path);
  }
  return found;
}

/** A name for the second of two that both stay: `letter (this computer).txt`, or with a number where that is taken too. */
export function secondName(name: string, word: string, taken: (name: string) => boolean): string {
  const dot = name.lastIndexOf(".");
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  for (let number = 1; ; number++) {
    const candidate = `${stem} (${word}${number > 1 ? ` ${number}` : ""})${end}`;
    if (!taken(candidate)) return candidate;
  }
}
