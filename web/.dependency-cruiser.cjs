/**
 * The rooms of the web client and who may enter which. One line a room: `only(room, ...allowed)`.
 * `npm run rooms` prints every import that breaks a line.
 */

/** Files of `room` may import, of ours, only the room itself and `allowed`; of npm, only `packages`. */
function only(room, allowed, packages) {
  const ours = [room, ...allowed].map((name) => `^src/${name}(/|\\.ts$)`);
  const npm = packages.map((name) => `(^|/)node_modules/${name}/`);
  return {
    name: `only-${room}`,
    severity: "error",
    comment: `${room} may import: ${[...allowed, ...packages].join(", ") || "nothing"}`,
    from: { path: `^src/${room}/`, pathNot: TESTS },
    to: { pathNot: [...ours, ...npm] },
  };
}

const TESTS = "(\\.test\\.ts$|/testing/)";
const HPKE = ["hpke", "@panva/hpke-noble", "@noble/hashes", "@noble/post-quantum"];

module.exports = {
  forbidden: [
    only("platform", [], ["idb", "socket\\.io-client", "fflate"]),
    only("protocol", [], HPKE),
    only("api", ["protocol", "platform"], ["socket\\.io-client"]),
    only("model", ["protocol", "api", "platform"], ["fflate"]),
    only("viewmodel", ["model", "i18n"], ["svelte"]),
    only("i18n", [], []),
    only("styles", [], ["@fontsource-variable"]),
    only("ui", ["styles"], ["svelte", "uqr", "pdfjs-dist"]),
    only("view", ["viewmodel", "ui", "i18n", "styles"], ["svelte"]),
    {
      name: "api-knows-only-types-of-protocol",
      severity: "error",
      comment: "The HTTP client carries bytes; it does not open them.",
      from: { path: "^src/api/", pathNot: TESTS },
      to: { path: "^src/protocol/", dependencyTypesNot: ["type-only"] },
    },
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    { name: "resolvable", severity: "error", from: { pathNot: TESTS }, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      extensions: [".ts", ".svelte", ".js", ".json"],
      conditionNames: ["import", "browser", "default", "svelte"],
    },
  },
};
