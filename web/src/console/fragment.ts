/**
 * Takes the sign-in token out of the address bar before anything else of the page runs, so that it is neither in the
 * history nor on the screen. Must be the first import of `main.tsx`: modules run in the order of their imports.
 */

/** What was behind `#` on `/sign-in`; empty elsewhere. Single use: the relay spends it with the first try. */
export const signInToken: string = takeFragment();

// A link pasted into a tab that shows this page already changes the fragment only: the page begins anew with it.
addEventListener("hashchange", () => {
  if (location.pathname === "/sign-in" && location.hash.length > 1) location.reload();
});

function takeFragment(): string {
  if (location.pathname !== "/sign-in" || location.hash.length < 2) return "";
  const token = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
  return token;
}
