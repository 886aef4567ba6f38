import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/** What a first visit does not need: kept out of the offline shell, cached when first used. */
const LAZY = /pdf|latin-ext/i;

/**
 * Tells the service worker which files make the application, and under which name to keep them.
 * The name is a hash of the list, so a new release gets a new cache and an unchanged one does not.
 */
export function appShell(): Plugin {
  return {
    name: "pli-app-shell",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const worker = bundle["sw.js"];
        if (worker?.type !== "chunk") return;
        const files = Object.keys(bundle)
          .filter((name) => name.startsWith("assets/") && !LAZY.test(name))
          .map((name) => `/${name}`)
          .sort();
        const release = createHash("sha256").update(files.join("\n")).digest("hex").slice(0, 12);
        worker.code = worker.code
          .replace(/(["'`])__SHELL_FILES__\1/, JSON.stringify(JSON.stringify(files)))
          .replace(/__SHELL_RELEASE__/, release);
      },
    },
  };
}
