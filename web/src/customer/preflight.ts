/**
 * What would keep the program from working on this computer, found before it is downloaded: a clock that is far off (no
 * certificate is valid then), a network that lets no WebSocket through, a system that there is no program for.
 */
import type { LinkFacts } from "../api/types";
import { choosePrograms, isOldWindows, systemOf, type System } from "./programs";

export type Obstacle =
  | { readonly kind: "clock"; readonly minutes: number }
  | { readonly kind: "network" }
  /** A Windows that the program does not run on. */
  | { readonly kind: "old_system" }
  | { readonly kind: "system"; readonly system: System };

/** Milliseconds; more, and the relay's certificate may look expired, or not valid yet. */
const MAX_CLOCK_SKEW = 5 * 60_000;

/** Milliseconds that a WebSocket may take to open: a proxy that swallows it never answers. */
const SOCKET_TIMEOUT = 8000;

/** Whole minutes by which this computer's clock is wrong; 0 if it does not matter. */
export function clockSkew(relayNow: string, ownNow: number): number {
  const skew = Math.abs(ownNow - Date.parse(relayNow));
  return skew > MAX_CLOCK_SKEW ? Math.round(skew / 60_000) : 0;
}

/** All that is in the way, the hardest to get round last. Takes up to `SOCKET_TIMEOUT`; never throws. */
export async function findObstacles(
  facts: Pick<LinkFacts, "now" | "hosts">,
  browser: Pick<Navigator, "userAgent">,
  origin: string,
  ownNow: number,
): Promise<Obstacle[]> {
  const found: Obstacle[] = [];
  const minutes = clockSkew(facts.now, ownNow);
  if (minutes > 0) found.push({ kind: "clock", minutes });
  if (!(await isSocketOpened(origin))) found.push({ kind: "network" });
  if (isOldWindows(browser.userAgent)) found.push({ kind: "old_system" });
  else if (choosePrograms(facts.hosts, browser.userAgent).main === null) {
    found.push({ kind: "system", system: systemOf(browser.userAgent) });
  }
  return found;
}

/** Whether the way that the program will take is open: the upgrade only, nothing is said on it. */
function isSocketOpened(origin: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${origin.replace(/^http/, "ws")}/tunnel/viewer`, "adhoc.v1");
    const timer = setTimeout(() => finish(false), SOCKET_TIMEOUT);
    const finish = (isOpen: boolean): void => {
      clearTimeout(timer);
      socket.onopen = socket.onerror = socket.onclose = null;
      socket.close();
      resolve(isOpen);
    };
    socket.onopen = () => finish(true);
    socket.onerror = socket.onclose = () => finish(false);
  });
}
