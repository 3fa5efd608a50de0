/** What a customer's visit to a deployment link comes to, before anything is shown. The fragment never leaves the page. */
import { ApiProblem, api } from "../api/client";
import type { LinkFacts, Receipt } from "../api/types";
import { encodeBase64url, formatDeploymentLink, LinkError, parseDeploymentLink } from "../protocol/links";

export type Visit =
  | { readonly kind: "loading" | "incomplete" | "lapsed" | "offline" }
  | { readonly kind: "used"; readonly facts: LinkFacts; readonly invite: string }
  /** The session is over, and not for longer than a day. */
  | { readonly kind: "ended"; readonly receipt: Receipt }
  | { readonly kind: "open"; readonly facts: LinkFacts; readonly invite: string; readonly link: string };

/** The whole link and its invite, from the page's own address; null if a part is missing or damaged. */
export function readAddress(address: Pick<Location, "origin" | "pathname" | "hash">): { invite: string; link: string } | null {
  try {
    // The browser came here already: whether the address is encrypted is not for the page to judge.
    const link = parseDeploymentLink(address.origin + address.pathname + address.hash, { allowInsecure: true });
    return { invite: encodeBase64url(link.invite), link: formatDeploymentLink(link) };
  } catch (error) {
    if (error instanceof LinkError) return null;
    throw error;
  }
}

/** Asks the relay about the link, and tells it that a person opened it (most mail scanners run no scripts). */
export async function visit(address: Pick<Location, "origin" | "pathname" | "hash">): Promise<Visit> {
  const read = readAddress(address);
  if (read === null) return { kind: "incomplete" };
  try {
    const facts = await api.link(read.invite);
    if (facts.state === "used") return { kind: "used", facts, invite: read.invite };
    // Only for the technician's eyes; the customer goes on without it.
    void api.linkOpened(read.invite).catch(() => undefined);
    return { kind: "open", facts, ...read };
  } catch (error) {
    return error instanceof ApiProblem && error.status === 404 ? await afterwards(read.invite) : { kind: "offline" };
  }
}

/** A link that leads nowhere any more: to the receipt, if there was a session. */
async function afterwards(invite: string): Promise<Visit> {
  try {
    return { kind: "ended", receipt: await api.linkReceipt(invite) };
  } catch (error) {
    return { kind: error instanceof ApiProblem ? "lapsed" : "offline" };
  }
}

/** A telephone or tablet by what the browser says about itself; only good for a hint. */
export function isHandheld(browser: Pick<Navigator, "userAgent" | "maxTouchPoints">): boolean {
  if (/Android|iPhone|iPad|iPod|Mobile/i.test(browser.userAgent)) return true;
  // iPads call themselves Macs, but no Mac has a touch screen.
  return /Macintosh/.test(browser.userAgent) && browser.maxTouchPoints > 1;
}
