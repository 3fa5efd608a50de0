/**
 * Takes a token out of the address bar before anything else of the page runs, so that it is neither in the history nor
 * on the screen. Must be the first import of `main.tsx`: modules run in the order of their imports.
 */

const PAGES: readonly string[] = ["/sign-in", "/invite", "/reset"];

/** What was behind `#` on a page that takes a token; empty elsewhere. Single use: the relay spends it. */
export const fragment: string = takeFragment();

// A link pasted into a tab that shows such a page already changes the fragment only: the page begins anew with it.
addEventListener("hashchange", () => {
  if (PAGES.includes(location.pathname) && location.hash.length > 1) location.reload();
});

function takeFragment(): string {
  if (!PAGES.includes(location.pathname) || location.hash.length < 2) return "";
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}
