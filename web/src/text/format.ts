/** Numbers and times as people read them. Pure; the time is always an argument. */

/** What is left, to the second: `23:59:41` from an hour up, else `9:05`. Never below zero. */
export function formatCountdown(seconds: number): string {
  const left = Math.max(0, Math.ceil(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A length of time in words, in its largest unit: `24 hours`, `1.5 hours`, `10 minutes`. */
export function formatSpan(seconds: number, locale: string): string {
  const [value, unit] =
    seconds >= 3600 ? [seconds / 3600, "hour"] : seconds >= 60 ? [seconds / 60, "minute"] : [seconds, "second"];
  const options = { style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 1 } as const;
  return new Intl.NumberFormat(locale, options).format(value);
}

/** The same as an ISO 8601 duration, for `<time datetime>`. */
export function isoDuration(seconds: number): string {
  return `PT${Math.max(0, Math.ceil(seconds))}S`;
}

/** A security code in its three groups: `["123", "456", "789"]`. */
export function codeGroups(code: string): [string, string, string] {
  return [code.slice(0, 3), code.slice(3, 6), code.slice(6, 9)];
}

/** A security code digit by digit, as one says it: `1 2 3, 4 5 6, 7 8 9`; groups do not break across lines. */
export function spokenCode(code: string): string {
  return codeGroups(code)
    .map((group) => Array.from(group).join("\u00a0"))
    .join(", ");
}

/** A rate in kB/s (1 kB = 1000 bytes): one decimal below 10. */
export function formatRate(bytesPerSecond: number, locale: string): string {
  const kilobytes = bytesPerSecond / 1000;
  const digits = kilobytes < 10 ? 1 : 0;
  return `${kilobytes.toLocaleString(locale, { maximumFractionDigits: digits })} kB/s`;
}

/** A file's size in kB or MB (powers of 1000). */
export function formatSize(bytes: number, locale: string): string {
  const [value, unit] = bytes < 1_000_000 ? [bytes / 1000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** A size in its largest unit (powers of 1000): `0 B`, `999 B`, `1.5 kB`, `4.3 GB`. */
export function formatBytes(bytes: number, locale: string): string {
  const power = Math.min(BYTE_UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString(locale, { maximumFractionDigits: power > 0 && value < 100 ? 1 : 0 })} ${BYTE_UNITS[power] ?? "TB"}`;
}

/** Date and time in the reader's own zone, short. */
export function formatMoment(iso: string, locale: string): string {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return "–";
  return moment.toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** The time of day in the reader's own zone, to the minute. */
export function formatTime(iso: string, locale: string): string {
  const moment = new Date(iso);
  return Number.isNaN(moment.getTime()) ? "–" : moment.toLocaleTimeString(locale, { timeStyle: "short" });
}

/** Date and time in the reader's own zone, to the second, in figures: what a log needs. */
export function formatDayTime(iso: string, locale: string): string {
  const moment = new Date(iso);
  if (Number.isNaN(moment.getTime())) return "–";
  return moment.toLocaleString(locale, { dateStyle: "short", timeStyle: "medium" });
}

/** A length of time in its two largest units, to the second: `1 hr, 2 min`, `3 min, 5 sec`, `0 sec`. */
export function formatDuration(seconds: number, locale: string): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 3600), "hour"],
    [Math.floor(whole / 60) % 60, "minute"],
    [whole % 60, "second"],
  ] as const;
  const first = parts.findIndex(([value]) => value > 0);
  const shown = (first < 0 ? parts.slice(2) : parts.slice(first, first + 2)).filter(([value], index) => index === 0 || value > 0);
  return shown
    .map(([value, unit]) => new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "short" }).format(value))
    .join(", ");
}
