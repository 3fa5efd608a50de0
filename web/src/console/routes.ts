/** The console's addresses. Moving between them keeps the page, except into and out of the viewer's own tab. */
import { computed, signal } from "@preact/signals";

export type Route =
  | { readonly page: "support" }
  | { readonly page: "sign_in"; readonly next: string }
  | { readonly page: "viewer"; readonly session: string }
  | { readonly page: "unknown" };

const address = signal(location.pathname + location.search);

export const route = computed(() => parseRoute(address.value));

addEventListener("popstate", () => {
  address.value = location.pathname + location.search;
});

/** Shows another page of the console. */
export function goTo(path: string, how: "push" | "replace" = "push"): void {
  if (how === "push") history.pushState(null, "", path);
  else history.replaceState(null, "", path);
  address.value = path;
}

/** Where to sign in, coming back to the present page afterwards. */
export function signInPath(): string {
  const here = location.pathname;
  return here === "/" || here === "/sign-in" ? "/sign-in" : `/sign-in?next=${encodeURIComponent(here)}`;
}

export function parseRoute(pathAndQuery: string): Route {
  const [path = "", query = ""] = pathAndQuery.split("?", 2);
  if (path === "/") return { page: "support" };
  if (path === "/sign-in") return { page: "sign_in", next: safeNext(new URLSearchParams(query).get("next")) };
  const session = /^\/session\/([\w-]{1,64})$/.exec(path)?.[1];
  return session === undefined ? { page: "unknown" } : { page: "viewer", session };
}

/** Only our own pages: whatever else stands in the address came from somebody else. */
function safeNext(next: string | null): string {
  return next !== null && /^\/session\/[\w-]{1,64}$/.test(next) ? next : "/";
}
