// Bundles one TypeScript entry as a page: `node tools/bundle_page.mjs src/protocol/testing/in_browser.ts OUT`.
import process from "node:process";

import { build } from "vite";

const [, , entry, outDir] = process.argv;
await build({
  configFile: false,
  logLevel: "warn",
  build: {
    outDir,
    emptyOutDir: true,
    target: "es2022",
    minify: false,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: entry, preserveEntrySignatures: "strict", output: { entryFileNames: "page.js" } },
  },
});
