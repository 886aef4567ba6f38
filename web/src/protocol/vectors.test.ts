/// <reference types="node" />
import { readdirSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { difference } from "./testing/vectors.ts";
import { readGroup, type RawGroup } from "./testing/vector.ts";

const FOLDER = new URL("../../../tests/vectors/", import.meta.url);
/** Bytes that the writer of the vectors keeps for itself. */
const NO_VECTORS = ["encapsulations.json"];

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json") && !NO_VECTORS.includes(name));

describe.each(files)("%s", (file) => {
  const group = readGroup(JSON.parse(readFileSync(new URL(file, FOLDER), "utf-8")) as RawGroup);

  it.each(group.cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    expect(await difference(group, one)).toBeNull();
  });
});
