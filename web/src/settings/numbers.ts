/** Numbers as people type them, and the relay's units. */

/** A number within bounds, or null. A comma is as good as a point. */
export function numberOf(text: string, least: number, most: number): number | null {
  const plain = text.trim().replace(",", ".");
  if (!/^\d+(\.\d+)?$/.test(plain)) return null;
  const value = Number(plain);
  return value >= least && value <= most ? value : null;
}

/** Likewise, without fractions. */
export function wholeNumberOf(text: string, least: number, most: number): number | null {
  const value = numberOf(text, least, most);
  return value !== null && Number.isInteger(value) ? value : null;
}

/** Seconds in a larger unit, without noise behind the point: 5400 s are "1.5" hours. */
export function inUnits(seconds: number, unit: number): string {
  return String(Math.round((seconds / unit) * 100) / 100);
}
