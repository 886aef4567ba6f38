// Runs a TypeScript tool with the toolchain that is here anyway: `node tools/run.mjs tools/make_ts_vectors.ts`.
import process from "node:process";

import { createServer } from "vite";

const [, , tool, ...rest] = process.argv;
const vite = await createServer({ configFile: false, appType: "custom", server: { middlewareMode: true, ws: false }, optimizeDeps: { noDiscovery: true } });
try {
  const { main } = await vite.ssrLoadModule(tool);
  await main(rest);
} finally {
  await vite.close();
}
