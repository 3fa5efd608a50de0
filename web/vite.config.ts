/**
 * Builds the pages of the relay into `relay/api/static/`: the technician's console (`index.html`), the
 * customer's page (`deploy.html`) and the one for addresses that lead nowhere (`missing.html`). Nothing is inlined into the HTML, so that both live under the relay's
 * Content-Security-Policy without exceptions.
 */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const page = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  build: {
    outDir: page("../relay/api/static"),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: "es2022",
    // Every browser that has X25519 (docs/protocol.md §5) preloads modules by itself.
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: { console: page("index.html"), customer: page("deploy.html"), missing: page("missing.html") },
    },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
