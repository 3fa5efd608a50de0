/**
 * Builds the pages of the relay into `relay/api/static/`: the technician's console (`index.html`), the
 * customer's page (`deploy.html`) and the one for addresses that lead nowhere (`missing.html`). Nothing is inlined into the HTML, so that both live under the relay's
 * Content-Security-Policy without exceptions.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

const page = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * Puts the script for old browsers before the customer's page, as it is: it must stay the ECMAScript 5 that it was written in,
 * which no bundler leaves alone.
 */
function oldBrowsers(): Plugin {
  const name = "old-browser.js";
  return {
    name: "old-browsers",
    apply: "build",
    buildStart() {
      const source = readFileSync(page("src/customer/oldBrowser.js"), "utf8");
      this.emitFile({ type: "asset", name, source });
    },
    transformIndexHtml: {
      order: "post",
      handler(html, { filename, bundle }) {
        if (!filename.endsWith("deploy.html") || bundle === undefined) return html;
        const made = Object.values(bundle).find((one) => one.type === "asset" && one.names.includes(name));
        if (made === undefined) throw new Error(`${name} was not built.`);
        return [{ tag: "script", attrs: { src: `/${made.fileName}` }, injectTo: "head" }];
      },
    },
  };
}

export default defineConfig({
  plugins: [oldBrowsers()],
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
