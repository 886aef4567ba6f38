/// <reference types="node" />
/**
 * Vectors that others published (RFC 9180, draft-ietf-hpke-pq, as the Python package `cryptography_vectors` carries them)
 * through the npm packages that `hpke.ts` stands on, and public keys that nobody could seal to.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";

import { XWing } from "@noble/post-quantum/hybrid.js";
import * as noble from "@panva/hpke-noble";
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from "hpke";
import { describe, expect, it } from "vitest";

import { concat, unb64 } from "./codec.ts";
import { demandEncKey, encKeyFromSeed } from "./hpke.ts";
import { type Bytes } from "./suite.ts";

const LIBRARIES = new URL("../../../.venv/lib/", import.meta.url);
const FOLDER = existsSync(LIBRARIES)
  ? readdirSync(LIBRARIES)
      .map((python) => new URL(`${python}/site-packages/cryptography_vectors/HPKE/`, LIBRARIES))
      .find((folder) => existsSync(folder))
  : undefined;

type Published = {
  readonly mode: number;
  readonly kem_id: number;
  readonly kdf_id: number;
  readonly aead_id: number;
  readonly info: string;
  readonly skRm: string;
  readonly enc: string;
  readonly encryptions: readonly { readonly aad: string; readonly ct: string; readonly pt: string; readonly nonce: string }[];
};

function published(file: string, kem: number, aead: number): readonly Published[] {
  const all = JSON.parse(readFileSync(new URL(file, FOLDER), "utf-8")) as readonly Published[];
  return all.filter((one) => one.mode === 0 && one.kem_id === kem && one.kdf_id === 1 && one.aead_id === aead);
}

function hex(text: string): Bytes {
  return new Uint8Array(text.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
}

/** How many messages of a vector open to what was published; they are in the order of their sequence numbers. */
async function opened(suite: CipherSuite, vector: Published): Promise<number> {
  const key = await suite.DeserializePrivateKey(hex(vector.skRm), true); // the native X25519 derives its public half
  const context = await suite.SetupRecipient(key, hex(vector.enc), { info: hex(vector.info) });
  const inOrder = vector.encryptions.slice(0, 4); // later ones skip sequence numbers
  for (const one of inOrder) {
    expect(await context.Open(hex(one.ct), hex(one.aad))).toEqual(hex(vector.encryptions[0]?.pt ?? ""));
  }
  return inOrder.length;
}

describe.skipIf(FOLDER === undefined)("published HPKE vectors", () => {
  it("opens RFC 9180, X25519 with our key schedule and AEAD", async () => {
    const vectors = published("test-vectors.json", 0x20, 2);
    expect(vectors).toHaveLength(1);
    for (const vector of vectors) {
      expect(await opened(new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM), vector)).toBe(4);
      expect(await opened(new CipherSuite(noble.KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM), vector)).toBe(4);
    }
  });

  it("opens draft-ietf-hpke-pq, X-Wing from its 32-byte seed", async () => {
    const vectors = published("hpke-pq-test-vectors.json", 0x647a, 3);
    expect(vectors).toHaveLength(1);
    const suite = new CipherSuite(noble.KEM_MLKEM768_X25519, KDF_HKDF_SHA256, noble.AEAD_ChaCha20Poly1305);
    for (const vector of vectors) expect(await opened(suite, vector)).toBe(4);
  });
});

/** Given their randomness, the library that stands in for the browser encapsulates as the draft says: seed, eseed, pk, ct, ss. */
describe("the vectors of draft-connolly-cfrg-xwing-kem", () => {
  type Drawn = { readonly seed: string; readonly eseed: string; readonly ct: string; readonly ss: string };
  type Cases = { readonly cases: readonly { readonly name: string; readonly expect: string; readonly in: Drawn; readonly out: { readonly pk: string } }[] };
  const file = new URL("../../../tests/vectors/published/x_wing.json", import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, "utf-8")) as Cases;

  it.each(cases.filter(({ expect: wanted }) => wanted === "ok"))("$name", ({ in: drawn, out }) => {
    const { publicKey } = XWing.keygen(unb64(drawn.seed));
    expect(publicKey).toEqual(unb64(out.pk));
    const { cipherText, sharedSecret } = XWing.encapsulate(publicKey, unb64(drawn.eseed));
    expect(cipherText).toEqual(unb64(drawn.ct));
    expect(sharedSecret).toEqual(unb64(drawn.ss));
    expect(XWing.decapsulate(cipherText, unb64(drawn.seed))).toEqual(unb64(drawn.ss));
  });

  it("are three", () => {
    expect(cases.filter(({ expect: wanted }) => wanted === "ok")).toHaveLength(3);
  });
});

describe("public keys that nobody could seal to", () => {
  const P = 2n ** 255n - 19n;
  const SMALL = [
    0n,
    1n,
    P - 1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
  ];
  const littleEndian = (value: bigint): Bytes => Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
  const spellings = SMALL.flatMap((u) => [u, u + P]).filter((u) => u < 2n ** 255n).flatMap((u) => [u, u | (2n ** 255n)]);

  it("refuses every spelling of an X25519 half of small order, and takes an honest one", async () => {
    const honest = (await encKeyFromSeed(new Uint8Array(32))).public;
    expect(() => { demandEncKey(honest); }).not.toThrow();
    expect(spellings).toHaveLength(14);
    for (const u of spellings) {
      const key = concat(honest.subarray(0, 1184), littleEndian(u));
      expect(() => { demandEncKey(key); }).toThrow(expect.objectContaining({ code: "weak_key" }));
    }
  });
});
