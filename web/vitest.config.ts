import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/**
 * Tests run in Node. A file that needs a document says so itself with
 * `// @vitest-environment happy-dom` on its first line.
 */
export default defineConfig({
  plugins: [svelte()],
  // Svelte's client build, also under test: otherwise `mount` is the server's and throws.
  resolve: { conditions: ["browser"] },
  test: {
    environment: "node",
    include: ["src/**/*.test.ts", "tools/**/*.test.ts"],
    testTimeout: 20_000,
    // Two cores are enough for a laptop and for CI; more workers only fight over them.
    maxWorkers: 2,
  },
});
