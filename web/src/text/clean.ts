/**
 * The one door for text that other people or computers wrote: names of computers, notes, warnings, clipboards.
 *
 * Preact shows it as text only, never as markup; what is left to fear is text that reorders or hides its neighbours, or
 * that fills the screen (SECURITY, MeshCentral 2026). So: no control, bidi, zero-width or tag characters, and a cap.
 */

/** Control and format characters, lone surrogates, private use, line and paragraph separators. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/**
 * One harmless line.
 *
 * @param text anything; what is not a string becomes empty.
 * @param maxCharacters of the result, an ellipsis included.
 */
export function clean(text: unknown, maxCharacters = 80): string {
  if (typeof text !== "string") return "";
  // Cut before the expensive part; a code point takes at most two units.
  const line = text
    .slice(0, maxCharacters * 8)
    .replace(/\s+/gu, " ")
    .replace(UNSAFE, "")
    .trim();
  const points = Array.from(line);
  return points.length <= maxCharacters ? line : `${points.slice(0, maxCharacters - 1).join("")}…`;
}

/** Like `UNSAFE`, but for the line's end and the tab. */
const UNSAFE_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

/** Harmless text that may have several lines, at most `maxUnits` UTF-16 units. */
export function cleanLines(text: string, maxUnits = 4000): string {
  return text.slice(0, maxUnits).replace(/\r\n?/g, "\n").replace(UNSAFE_IN_LINES, "");
}
