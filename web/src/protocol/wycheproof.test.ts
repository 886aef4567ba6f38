/// <reference types="node" />
/**
 * Wycheproof through our own faces of WebCrypto. The corpus lies beside the repository, not in it.
 */
import { existsSync, readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import * as aead from "./aead.ts";
import { hkdf } from "./kdf.ts";
import { verify } from "./sign.ts";
import type { Bytes } from "./suite.ts";
import { refusal } from "./testing/people.ts";

const CORPUS = new URL("../../../../shared/corpora/crypto/wycheproof/", import.meta.url);

type Test = { readonly tcId: number; readonly result: "valid" | "invalid" | "acceptable" } & { readonly [key: string]: string };
type TestGroup = { readonly ivSize?: number; readonly keySize?: number; readonly tagSize?: number; readonly publicKey?: { readonly pk: string }; readonly tests: readonly Test[] };

function groups(file: string): readonly TestGroup[] {
  return (JSON.parse(readFileSync(new URL(file, CORPUS), "utf-8")) as { testGroups: readonly TestGroup[] }).testGroups;
}

function hex(text: string | undefined): Bytes {
  return new Uint8Array((text ?? "").match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
}

/** Ids of the cases on which we disagree with the corpus; `result` says whether we accepted. */
async function disagreements(tests: readonly Test[], accepts: (test: Test) => Promise<boolean>): Promise<readonly number[]> {
  const wrong: number[] = [];
  for (const test of tests) {
    if (test.result !== "acceptable" && (await accepts(test)) !== (test.result === "valid")) wrong.push(test.tcId);
  }
  return wrong;
}

describe.skipIf(!existsSync(CORPUS))("Wycheproof", () => {
  it("agrees on Ed25519 verification", async () => {
    const all = groups("ed25519_test.json");
    expect(all.flatMap(({ tests }) => tests).length).toBeGreaterThan(100);
    for (const { publicKey, tests } of all) {
      const key = hex(publicKey?.pk);
      expect(await disagreements(tests, (t) => verify(key, hex(t["sig"]), hex(t["msg"])))).toEqual([]);
    }
  });

  it("agrees on AES-256-GCM with our sizes", async () => {
    const ours = groups("aes_gcm_test.json").filter((g) => g.ivSize === 96 && g.keySize === 256 && g.tagSize === 128);
    expect(ours.flatMap(({ tests }) => tests).length).toBeGreaterThan(50);
    for (const { tests } of ours) {
      const opens = async (t: Test): Promise<boolean> => {
        const sealed = new Uint8Array([...hex(t["ct"]), ...hex(t["tag"])]);
        const opened = aead.open({ key: hex(t["key"]), nonce: hex(t["iv"]) }, sealed, hex(t["aad"]));
        return (await refusal(opened)) === "accepted" && Buffer.from(await opened).toString("hex") === t["msg"];
      };
      expect(await disagreements(tests, opens)).toEqual([]);
    }
  });

  it("agrees on HKDF-SHA256", async () => {
    for (const { tests } of groups("hkdf_sha256_test.json")) {
      const derives = async (t: Test): Promise<boolean> => {
        const length = Number(t["size"]);
        try {
          const okm = await hkdf(hex(t["ikm"]), { salt: hex(t["salt"]), info: hex(t["info"]), length });
          return Buffer.from(okm).toString("hex") === t["okm"];
        } catch {
          return false;
        }
      };
      expect(await disagreements(tests, derives)).toEqual([]);
    }
  });
});
