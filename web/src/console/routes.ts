/** The console's addresses. Moving between them keeps the page, except into and out of the viewer's own tab. */
import { computed, signal } from "@preact/signals";

export type Route =
  | { readonly page: "support" }
  | { readonly page: "sign_in"; readonly next: string }
  | { readonly page: "invite" }
  | { readonly page: "reset" }
  | { readonly page: "account" }
  | { readonly page: "settings"; readonly part: string }
  | { readonly page: "audit"; readonly session: string }
  | { readonly page: "session"; readonly session: string }
  | { readonly page: "viewer" | "files" | "dashboard" | "shell"; readonly session: string }
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
  if (path === "/invite") return { page: "invite" };
  if (path === "/reset") return { page: "reset" };
  if (path === "/account") return { page: "account" };
  if (path === "/audit") {
    const session = new URLSearchParams(query).get("session") ?? "";
    return { page: "audit", session: /^[\w-]{1,43}$/.test(session) ? session : "" };
  }
  const part = /^\/settings(?:\/([a-z-]{1,32}))?$/.exec(path);
  if (part !== null) return { page: "settings", part: part[1] ?? "" };
  const told = /^\/sessions\/([\w-]{1,64})$/.exec(path)?.[1];
  if (told !== undefined) return { page: "session", session: told };
  const tool = /^\/session\/([\w-]{1,64})(?:\/(files|dashboard|shell))?$/.exec(path);
  if (tool?.[1] === undefined) return { page: "unknown" };
  return { page: (tool[2] as "files" | "dashboard" | "shell" | undefined) ?? "viewer", session: tool[1] };
}

/** Only our own pages: whatever else stands in the address came from somebody else. */
function safeNext(next: string | null): string {
  return next !== null && /^\/(sessions\/[\w-]{1,64}|session\/[\w-]{1,64}(\/(files|dashboard|shell))?|account|audit|settings(\/[a-z-]{1,32})?)$/.test(next) ? next : "/";
}
