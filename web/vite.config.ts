import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { compress } from "./tools/compress.ts";
import { appShell } from "./tools/app-shell.ts";

/** Two clean builds give the same bytes: no date, no host name, no random in what is written. */
export default defineConfig(({ mode }) => {
  const gallery = mode === "gallery";
  return {
    plugins: [svelte(), ...(gallery ? [] : [appShell(), compress()])],
    build: {
      outDir: gallery ? "dist/gallery" : "../server/webroot",
      emptyOutDir: true,
      manifest: true,
      license: true,
      target: "es2022",
      cssTarget: ["chrome111", "firefox114", "safari16.4"],
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      rolldownOptions: {
        input: gallery ? { gallery: "gallery.html" } : { index: "index.html", sw: "src/sw.ts" },
        output: {
          // The service worker needs a fixed address at the root; all else carries its hash.
          entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
        },
      },
    },
    worker: { format: "es" },
  };
});
