/// <reference types="node" />
import { readdirSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { difference } from "./testing/vectors.ts";
import { readGroup, type RawGroup } from "./testing/vector.ts";

const FOLDER = new URL("../../../tests/vectors/", import.meta.url);
/** Bytes that the writer of the vectors keeps for itself. */
const NO_VECTORS = ["encapsulations.json"];

function filesOf(folder: URL): readonly (readonly [string, URL])[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json") && !NO_VECTORS.includes(name));
  return names.map((name) => [name, new URL(name, folder)] as const);
}

describe.each([
  ["written by Python", FOLDER],
  ["written by TypeScript", new URL("from_ts/", FOLDER)],
  ["published by others", new URL("published/", FOLDER)],
])("vectors %s", (_, folder) => {
  describe.each(filesOf(folder))("%s", (__, file) => {
    const group = readGroup(JSON.parse(readFileSync(file, "utf-8")) as RawGroup);

    it.each(group.cases.map((one) => [one.name, one] as const))("%s", async (___, one) => {
      expect(await difference(group, one)).toBeNull();
    });
  });
});
