/** Storage on IndexedDB, locks inside one tab, the name of a device. */

import "fake-indexeddb/auto";

import { expect, it } from "vitest";

import { queued } from "./tabs.ts";
import { openStorage } from "./storage.ts";

it("keeps keys that cannot be read out", async () => {
  const storage = await openStorage("keys");
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  await storage.write([{ drawer: "device", key: "k", put: { sign: pair.privateKey } }]);
  const kept = (await storage.read<{ sign: CryptoKey }>("device", "k"))?.sign;
  expect(kept?.extractable).toBe(false);
  expect(await crypto.subtle.sign("Ed25519", kept!, new Uint8Array(3))).toHaveProperty("byteLength", 64);
});

it("gives the newest of a range in ascending order, and only of that range", async () => {
  const storage = await openStorage("range");
  const put = (key: readonly (string | number)[]) => ({ drawer: "events", key, put: key.join(".") }) as const;
  await storage.write([put(["a", 1]), put(["b", 9]), put(["b", 10]), put(["b", 11]), put(["c", 1])]);
  const found = await storage.range("events", ["b", 0], ["b", 1_000], 2);
  expect(found.map(({ value }) => value)).toEqual(["b.10", "b.11"]);
});

it("writes all changes or none", async () => {
  const storage = await openStorage("atomic");
  const impossible = { drawer: "own", key: "f", put: () => undefined } as const;
  await expect(storage.write([{ drawer: "own", key: "a", put: 1 }, impossible])).rejects.toThrow();
  expect(await storage.read("own", "a")).toBeUndefined();
});

it("removes a range, clears a drawer, wipes everything", async () => {
  const storage = await openStorage("wipe");
  await storage.write([
    { drawer: "uploads", key: ["x", 0], put: 0 },
    { drawer: "uploads", key: ["x", 1], put: 1 },
    { drawer: "uploads", key: ["y", 0], put: 2 },
    { drawer: "own", key: "o", put: 3 },
  ]);
  await storage.write([{ drawer: "uploads", from: ["x", 0], to: ["x", 9], remove: true }, { drawer: "own", clear: true }]);
  expect((await storage.range("uploads", ["", 0], ["~", 0])).map(({ value }) => value)).toEqual([2]);
  expect(await storage.read("own", "o")).toBeUndefined();
  await storage.wipe();
  const again = await openStorage("wipe");
  expect(await again.range("uploads", ["", 0], ["~", 0])).toEqual([]);
});

it("lets one work at a time through, also after one has failed", async () => {
  const order: string[] = [];
  const work = (name: string, fails = false) => async () => {
    order.push(`${name}+`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push(`${name}-`);
    if (fails) throw new Error(name);
  };
  await Promise.allSettled([queued("q", work("a", true)), queued("q", work("b")), queued("q", work("c"))]);
  expect(order).toEqual(["a+", "a-", "b+", "b-", "c+", "c-"]);
});
