/** The relay's clock, by which everything counts down: this computer's may be wrong. */
import { signal } from "@preact/signals";

/** The relay's clock minus ours, milliseconds. */
let offset = 0;

/** Now by the relay's clock, Unix milliseconds; a new value each second while a page shows countdowns. */
export const now = signal(Date.now());

/** Takes over the time that an answer of the relay carries (ISO 8601, or Unix seconds). */
export function followClock(time: string | number): void {
  const relay = typeof time === "number" ? time * 1000 : Date.parse(time);
  if (Number.isNaN(relay)) return;
  offset = relay - Date.now();
  now.value = relayNow();
}

/** Now by the relay's clock, Unix milliseconds. */
export function relayNow(): number {
  return Date.now() + offset;
}

/** Lets `now` tick until the returned function is called. */
export function startClock(): () => void {
  const timer = setInterval(() => {
    now.value = relayNow();
  }, 1000);
  return () => clearInterval(timer);
}

/** Seconds from now until `iso`, below zero if it is past; null for no time. Ticks. */
export function secondsUntil(iso: string | null): number | null {
  const at = iso === null ? Number.NaN : Date.parse(iso);
  return Number.isNaN(at) ? null : (at - now.value) / 1000;
}
