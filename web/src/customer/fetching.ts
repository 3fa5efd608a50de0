/**
 * Fetches a host file whole, or not at all: what arrives is compared with the SHA-256 that the page shows before anything is
 * done with it. A connection that breaks is taken up where it broke.
 */
import type { HostFile } from "../api/types";
import type { Bytes } from "../protocol/bytes";
import { toHex } from "../text/hex";

/** Why there is no file. */
export type FetchFault =
  /** The network broke, again and again. */
  | "broken"
  /** All of it came, and it is not the file. */
  | "damaged"
  /** The relay does not give it any more: the link ended, or the file was replaced. */
  | "gone";

export class CannotFetch extends Error {
  constructor(readonly fault: FetchFault) {
    super(fault);
    this.name = "CannotFetch";
  }
}

export interface Progress {
  readonly received: number;
  /** The connection broke, and this is a new one. */
  readonly isAgain: boolean;
}

/** Milliseconds before each further try. */
export const PAUSES: readonly number[] = [1000, 2000, 4000, 8000];

/** Milliseconds without a single byte, after which a connection counts as broken. */
const SILENCE = 20_000;

/**
 * The bytes of `host`, as the relay said they are.
 *
 * @param url where it is.
 * @param tell is called as bytes arrive.
 * @param pauses milliseconds before each further try; also the number of those.
 * @throws CannotFetch
 */
export async function fetchHost(
  url: string,
  host: Pick<HostFile, "size" | "sha256">,
  tell: (progress: Progress) => void,
  pauses: readonly number[] = PAUSES,
): Promise<Bytes> {
  const data = new Uint8Array(host.size);
  let received = 0;
  let fault: FetchFault = "broken";
  for (let tries = 0; tries <= pauses.length; tries += 1) {
    if (tries > 0) {
      tell({ received, isAgain: true });
      await new Promise((resolve) => setTimeout(resolve, pauses[tries - 1]));
    }
    received = await receive(url, host, data, received, (now) => {
      received = now;
      tell({ received, isAgain: tries > 0 });
    });
    if (received < host.size) {
      fault = "broken";
      continue;
    }
    if (await hasHash(data, host.sha256)) return data;
    // Perhaps a proxy spoiled it; a second time from the beginning, and no more if that does not help.
    if (fault === "damaged") break;
    fault = "damaged";
    received = 0;
  }
  throw new CannotFetch(fault);
}

/**
 * One try: fills `data` from `from` on.
 *
 * @returns how much of `data` is there now; a broken connection is no error.
 */
async function receive(
  url: string,
  host: Pick<HostFile, "size" | "sha256">,
  data: Bytes,
  from: number,
  tell: (received: number) => void,
): Promise<number> {
  const abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE);
  };
  let at = from;
  try {
    listen();
    const headers: Record<string, string> = from === 0 ? {} : { range: `bytes=${from}-`, "if-range": `"${host.sha256}"` };
    const response = await fetch(url, { headers, signal: abort.signal, cache: "no-store", redirect: "error" });
    if (response.status === 404 || response.status === 410) throw new CannotFetch("gone");
    if (!response.ok || response.body === null) return at;
    if (response.status !== 206) at = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return at;
      // More than was said: another file, which its hash would not fit either.
      if (at + value.length > data.length) throw new CannotFetch("gone");
      data.set(value, at);
      at += value.length;
      listen();
      tell(at);
    }
  } catch (error) {
    if (error instanceof CannotFetch) throw error;
    return at;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

async function hasHash(data: Bytes, sha256: string): Promise<boolean> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", data))) === sha256;
}
