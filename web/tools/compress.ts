import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import type { Plugin } from "vite";

const COMPRESSIBLE = /\.(js|mjs|css|html|svg|json|webmanifest|txt|md)$/;
const SUMS = "ASSETS.sha256";

async function filesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Writes `<file>.br` and `<file>.gz` beside what shrinks. Node's gzip header carries no date. */
async function pack(path: string): Promise<void> {
  const plain = await readFile(path);
  const [small, older] = await Promise.all([
    promisify(brotliCompress)(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    promisify(gzip)(plain, { level: 9 }),
  ]);
  if (small.length < plain.length) await writeFile(`${path}.br`, small);
  if (older.length < plain.length) await writeFile(`${path}.gz`, older);
}

/** `sha256sum -c` can check it; the digest of this file is the fingerprint of the release. */
async function writeSums(root: string): Promise<void> {
  const lines: string[] = [];
  for (const path of await filesUnder(root)) {
    const name = relative(root, path).split(sep).join("/");
    if (name === SUMS) continue;
    lines.push(`${createHash("sha256").update(await readFile(path)).digest("hex")}  ${name}\n`);
  }
  await writeFile(join(root, SUMS), lines.join(""));
}

/** After the bundle is written: pre-compressed twins, then the list of hashes of everything. */
export function compress(): Plugin {
  let root = "";
  return {
    name: "pli-compress",
    apply: "build",
    configResolved(config) {
      root = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      for (const path of await filesUnder(root)) {
        if (COMPRESSIBLE.test(path)) await pack(path);
      }
      await writeSums(root);
    },
  };
}
