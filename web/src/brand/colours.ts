/**
 * Accents made of a company's colour that can be read on both of our grounds.
 *
 * Contrast is WCAG 2.2's (relative luminance, §1.4.3): 4.5:1 for text. A colour that is too close to the ground is moved
 * away from it in small steps; the hue stays, so that it is still the company's.
 */

export type Scheme = "light" | "dark";
type Rgb = readonly [red: number, green: number, blue: number];

/** What the style sheets call `--accent`, `--accent-strong`, `--on-accent`, `--accent-tint`. */
export interface Accents {
  readonly accent: string;
  readonly accentStrong: string;
  readonly onAccent: string;
  readonly tint: string;
}

/** For text, WCAG level AA. */
export const LEAST_CONTRAST = 4.5;

/** `--card` of the style sheets, and what text on the accent may be. */
const GROUNDS: Readonly<Record<Scheme, { readonly card: Rgb; readonly away: Rgb; readonly tint: number }>> = {
  light: { card: [255, 255, 255], away: [0, 0, 0], tint: 0.1 },
  dark: { card: [27, 34, 41], away: [255, 255, 255], tint: 0.2 },
};
const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [0, 0, 0];
const STEP = 0.04;

/** Whether a text is a colour as the relay keeps it. */
export function isColour(text: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(text);
}

/** The contrast of two colours `#rrggbb`, 1 … 21. */
export function contrast(one: string, other: string): number {
  return ratio(parse(one), parse(other));
}

/** The contrast of a colour as text on our cards. */
export function contrastOn(colour: string, scheme: Scheme): number {
  return ratio(parse(colour), GROUNDS[scheme].card);
}

/** The accents of a colour `#rrggbb` in one scheme. */
export function accentsOf(colour: string, scheme: Scheme): Accents {
  const { card, away, tint } = GROUNDS[scheme];
  const base = parse(colour);
  const paper = (strength: number, accent: Rgb): Rgb => mix(card, accent, strength);
  let accent = base;
  // Links stand on tinted ground too. Ends: at the latest, black on white and white on black are far enough apart.
  for (let part = 0; part < 1 && readable(accent, card, paper(tint, accent)) < LEAST_CONTRAST; part += STEP) {
    accent = mix(base, away, part + STEP);
  }
  const accentStrong = mix(accent, away, 0.2);
  const onAccent = ratio(WHITE, accent) >= ratio(BLACK, accent) ? WHITE : BLACK;
  return { accent: hex(accent), accentStrong: hex(accentStrong), onAccent: hex(onAccent), tint: hex(paper(tint, accent)) };
}

/** The accents as custom properties, for `style`. An empty or odd colour gives none: the product's own hold. */
export function accentStyle(colour: string, scheme: Scheme): Record<string, string> {
  if (!isColour(colour)) return {};
  const { accent, accentStrong, onAccent, tint } = accentsOf(colour, scheme);
  return { "--accent": accent, "--accent-strong": accentStrong, "--on-accent": onAccent, "--accent-tint": tint };
}

function readable(text: Rgb, card: Rgb, tinted: Rgb): number {
  return Math.min(ratio(text, card), ratio(text, tinted));
}

function parse(colour: string): Rgb {
  if (!isColour(colour)) throw new RangeError("a colour is #rrggbb");
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >> 16, (value >> 8) & 0xff, value & 0xff];
}

function hex(colour: Rgb): string {
  return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}

function mix(from: Rgb, to: Rgb, part: number): Rgb {
  const at = (index: 0 | 1 | 2): number => from[index] + (to[index] - from[index]) * Math.min(1, part);
  return [at(0), at(1), at(2)];
}

function ratio(one: Rgb, other: Rgb): number {
  const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (bright + 0.05) / (dark + 0.05);
}

/** WCAG 2.2, "relative luminance". */
function luminance([red, green, blue]: Rgb): number {
  const linear = (part: number): number => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}
