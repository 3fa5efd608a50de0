/**
 * The deployment link: `ORIGIN/d/INVITE#SECRET.PASSWORD`, read by the same grammar as in `relay/protocol/links.py`,
 * which explains it.
 */
import type { Bytes } from "./bytes";
import { CodeError, normaliseAccessPassword } from "./codes";

export const INVITE_BYTES = 16;
export const SECRET_BYTES = 16;
export const MAX_LINK_CHARACTERS = 2048;

const LINK = /^([^/?#]+:\/\/[^/?#]*)\/d\/([A-Za-z0-9_-]{22})#([A-Za-z0-9_-]{22})\.(.+)$/u;
const ORIGIN = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?$/i;
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;
const FRAGMENT = /^(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})+$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/;
const DEFAULT_PORTS: Record<string, number> = { http: 80, https: 443 };

/** The text is no deployment link of ours; `message` is one sentence for a person. */
export class LinkError extends Error {
  override readonly name = "LinkError";
}

export interface DeploymentLink {
  /** Of the relay, as browsers spell it. */
  readonly origin: string;
  /** 16 bytes, names the session at the relay. */
  readonly invite: Bytes;
  /** 16 bytes, never sent to the relay. */
  readonly secret: Bytes;
  /** NFC. */
  readonly accessPassword: string;
}

export interface LinkOptions {
  /** Accept `http` for hosts other than this computer (tests, private networks). */
  allowInsecure?: boolean;
}

/** The link as text; `parseDeploymentLink` gives back an equal object. */
export function formatDeploymentLink(link: DeploymentLink): string {
  const invite = encodeBase64url(link.invite);
  const password = encodeURIComponent(link.accessPassword).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `${link.origin}/d/${invite}#${encodeBase64url(link.secret)}.${password}`;
}

/** @throws LinkError if `text` is no deployment link, or not a safe one. */
export function parseDeploymentLink(text: string, options: LinkOptions = {}): DeploymentLink {
  const link = text.trim();
  if (link.length > MAX_LINK_CHARACTERS) throw new LinkError("This is too long to be a deployment link.");
  const [, origin, invite, secret, fragment] = LINK.exec(link) ?? [];
  if (origin === undefined || invite === undefined || secret === undefined || fragment === undefined) {
    throw new LinkError("This is not a deployment link; please copy all of it.");
  }
  return {
    origin: parseOrigin(origin, options),
    invite: decodeBase64url(invite, INVITE_BYTES),
    secret: decodeBase64url(secret, SECRET_BYTES),
    accessPassword: parsePassword(fragment),
  };
}

/** The one spelling of a relay's origin. @throws LinkError if it is none, or not encrypted. */
export function parseOrigin(text: string, options: LinkOptions = {}): string {
  const [, rawScheme, rawHost, port] = ORIGIN.exec(text) ?? [];
  if (rawScheme === undefined || rawHost === undefined) throw noRelay();
  const scheme = rawScheme.toLowerCase();
  const [host, isLoopback] = checkHost(rawHost.toLowerCase());
  if (scheme === "http" && !isLoopback && !options.allowInsecure) {
    throw new LinkError("The link must begin with https.");
  }
  if (port === undefined || Number(port) === DEFAULT_PORTS[scheme]) {
    if (port?.startsWith("0")) throw new LinkError("The link's port is not possible.");
    return `${scheme}://${host}`;
  }
  if (String(Number(port)) !== port || Number(port) < 1 || Number(port) > 65535) {
    throw new LinkError("The link's port is not possible.");
  }
  return `${scheme}://${host}:${port}`;
}

/** RFC 4648 §5, without padding. */
export function encodeBase64url(data: Uint8Array): string {
  return btoa(String.fromCharCode(...data))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** Reads exactly `size` bytes of unpadded base64url in their one spelling. @throws LinkError for any other text. */
export function decodeBase64url(text: string, size: number): Bytes {
  const damaged = new LinkError("The link is damaged; please copy all of it.");
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw damaged;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const data = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (data.length !== size || encodeBase64url(data) !== text) throw damaged;
  return data;
}

/** The host in its one spelling, and whether it is this computer. */
function checkHost(host: string): [string, boolean] {
  if (host.startsWith("[")) {
    // The browser knows how IPv6 is spelled.
    const spelled = URL.canParse(`http://${host}/`) ? new URL(`http://${host}/`).hostname : "";
    if (spelled === "" || /^\[::ffff:[0-9a-f]+:[0-9a-f]+\]$/.test(spelled)) throw noRelay();
    return [spelled, spelled === "[::1]"];
  }
  const labels = host.split(".");
  const last = labels.at(-1) ?? "";
  if (/^[0-9]+$/.test(last)) {
    if (!IPV4.test(host)) throw noRelay();
    return [host, host.startsWith("127.")];
  }
  // A browser would read 0x7f.1 as an address, so a last label that begins like a number is refused.
  if (host.length > 253 || /^[0-9]/.test(last) || !labels.every((label) => LABEL.test(label))) throw noRelay();
  return [host, host === "localhost" || host.endsWith(".localhost")];
}

function parsePassword(fragment: string): string {
  const damaged = new LinkError("The link is damaged; please copy all of it.");
  if (!FRAGMENT.test(fragment)) throw damaged;
  let password: string;
  try {
    password = decodeURIComponent(fragment);
  } catch {
    throw damaged;
  }
  try {
    return normaliseAccessPassword(password);
  } catch (error) {
    if (error instanceof CodeError) throw new LinkError("The link's access password cannot be used.");
    throw error;
  }
}

function noRelay(): LinkError {
  return new LinkError("The link's address is not one of a relay.");
}
