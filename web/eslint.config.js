import svelte from "eslint-plugin-svelte";
import tseslint from "typescript-eslint";

const NO_ENUM = {
  selector: "TSEnumDeclaration",
  message: "No enum: use a union of string literals (CONTRIBUTING, TypeScript).",
};

const HOUSE_RULES = {
  complexity: ["error", 10], // 8 by the measure of the Python side: ESLint also counts `?.`, `??` and default values
  "max-lines": ["error", { max: 400 }],
  "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }],
  "max-params": ["error", 5],
  eqeqeq: ["error", "always"],
  "no-console": "error",
  "no-restricted-exports": ["error", { restrictDefaultExports: { direct: true, named: true, defaultFrom: true } }],
  "no-restricted-syntax": ["error", NO_ENUM],
  "@typescript-eslint/consistent-type-definitions": "off", // `type` for data, `interface` for behaviour
  "@typescript-eslint/consistent-type-imports": "error",
  "@typescript-eslint/explicit-module-boundary-types": "error",
  "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
  "@typescript-eslint/switch-exhaustiveness-check": "error",
};

// eslint-disable-next-line no-restricted-exports -- eslint reads its configuration from the default export
export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "src/api/schema.gen.ts", "**/*.cjs", "**/*.mjs", "*.config.js"] },
  tseslint.configs.strictTypeChecked,
  svelte.configs.recommended,
  {
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: [".svelte"],
      },
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      // A component is a default export by nature, and its functions live in one script.
      "no-restricted-exports": "off",
      "svelte/no-at-html-tags": "error",
      // eslint does not see the types that cross from one component to another; svelte-check does, and fails on them.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
  { files: ["**/*.ts", "**/*.svelte"], rules: HOUSE_RULES },
  {
    // The protocol is given its time and randomness, and touches no page and no network.
    files: ["src/protocol/**/*.ts"],
    ignores: ["**/*.test.ts", "**/testing/**"],
    rules: {
      "no-restricted-globals": [
        "error",
        { name: "Date", message: "Time is an argument in protocol/." },
        { name: "fetch", message: "No network in protocol/." },
        { name: "document", message: "No page in protocol/." },
        { name: "window", message: "No page in protocol/." },
        { name: "localStorage", message: "No storage in protocol/." },
        { name: "indexedDB", message: "No storage in protocol/." },
      ],
    },
  },
  {
    files: ["**/*.config.ts"],
    rules: { "no-restricted-exports": "off" },
  },
  {
    // A test is read as a story: its length is not its complexity.
    files: ["**/*.test.ts", "**/testing/**/*.ts"],
    rules: {
      "max-lines-per-function": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);
