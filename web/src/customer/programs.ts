/** Which of the host files is for the computer that the page is looked at on. */
import type { HostFile } from "../api/types";

export type System = "linux" | "windows" | "mac" | "other";

export interface Programs {
  /** What the one button fetches; null if nothing is for this computer. */
  readonly main: HostFile | null;
  /** What else there is. */
  readonly others: readonly HostFile[];
}

/** The computer's system, by what the browser says about itself. */
export function systemOf(userAgent: string): System {
  if (/Windows NT/.test(userAgent)) return "windows";
  if (/Macintosh|Mac OS X/.test(userAgent)) return "mac";
  if (/Linux|X11/.test(userAgent) && !/CrOS/.test(userAgent)) return "linux";
  return "other";
}

/** Windows before 10, which the program does not run on; browsers have called every later one 10. */
export function isOldWindows(userAgent: string): boolean {
  return /Windows NT [0-9]\./.test(userAgent);
}

/** The releases of well-known systems, oldest first, with the minor version of their C library (glibc 2.…). */
const RELEASES: Readonly<Record<string, readonly (readonly [minor: number, release: string])[]>> = {
  Debian: [[28, "10"], [31, "11"], [36, "12"], [41, "13"]],
  Ubuntu: [[27, "18.04"], [31, "20.04"], [35, "22.04"], [39, "24.04"]],
  "Red Hat": [[28, "8"], [34, "9"], [39, "10"]],
};

/** The oldest releases that have this C library, as people know them; empty if that is not known. */
export function systemsWith(glibc: string | null): string {
  const [, needed] = /^2\.(\d{1,3})$/.exec(glibc ?? "") ?? [];
  if (needed === undefined) return "";
  const oldest = Object.entries(RELEASES).map(([name, releases]) => {
    const found = releases.find(([minor]) => minor >= Number(needed));
    return found === undefined ? [] : [`${name} ${found[1]}`];
  });
  return oldest.flat().join(", ");
}

/** The one or ones for `userAgent`'s computer first. */
export function choosePrograms(hosts: readonly HostFile[], userAgent: string): Programs {
  const system = systemOf(userAgent);
  const wanted = system === "windows" ? ["windows"] : system === "linux" ? ["linux", "python"] : [];
  const main =
    wanted
      .map((target) => hosts.find((host) => host.target === target && isForMachine(host, system, userAgent)))
      .find((host) => host !== undefined) ?? null;
  return { main, others: hosts.filter((host) => host !== main) };
}

/** Windows runs what is for x86_64 on every computer that it sells for; Linux only where it is one. */
function isForMachine(host: HostFile, system: System, userAgent: string): boolean {
  if (system !== "linux") return true;
  const isArm = /aarch64|arm64/i.test(userAgent);
  const isOther = /i[3-6]86|armv[0-9]|ppc64|s390x|riscv64/i.test(userAgent) && !/x86_64/.test(userAgent);
  return !isOther && host.machine === (isArm ? "aarch64" : "x86_64");
}
