/**
 * HPKE base mode, single shot: X-Wing, HKDF-SHA256, AES-256-GCM. Source: docs/spec/protocol.md 2.
 *
 * Two engines with the same bytes: WebCrypto's own X-Wing where the browser has it, else `@panva/hpke-noble`. Both are loaded
 * when the first box is sealed or opened, not with the first screen. Secret keys are always imported from their 32-byte seed, never through `DeriveKeyPair`.
 */

import type { CipherSuite, KEMFactory } from "hpke";

import { concat, equal, unb64 } from "./codec.ts";
import { demand, ProtocolError, refuseAs } from "./errors.ts";
import { AES_TAG, ENC_PUBLIC, ENCAPSULATED, SEED, type Bytes } from "./suite.ts";

const ML_KEM_PUBLIC = 1184;
const ML_KEM_SEED = 64;
const ML_KEM_COEFFICIENT_BYTES = 1152;
const ML_KEM_MODULUS = 3329;
/** Curve25519's field, and the u-coordinates of its points of small order: a secret shared with one is all zero (RFC 7748 section 6.1). */
const P = 2n ** 255n - 19n;
const SMALL_ORDER_U: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  P - 1n,
  0x00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0n,
  0x57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5fn,
]);
/** PKCS #8 of an X25519 private key, RFC 8410 section 7, up to the 32-byte scalar. */
const X25519_PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);

/** A secret key that opens what was sealed to `public` (1,216 bytes). */
export interface EncKey {
  readonly public: Bytes;
  /** Refuses with `open_failed`. */
  open(info: Uint8Array, box: Uint8Array): Promise<Bytes>;
}

type Engine = {
  readonly name: "native" | "noble";
  readonly suite: CipherSuite;
  readonly publicOf: (seed: Bytes) => Promise<Bytes>;
};

let chosen: Promise<Engine> | undefined;

/** Which engine this runtime uses: for diagnostics. */
export async function hpkeEngine(): Promise<Engine["name"]> {
  return (await engine()).name;
}

/** `SEAL(pk, info, pt)` = encapsulated 1,120 || ciphertext; refuses a key that fails the ML-KEM check (`weak_key`). */
export async function hpkeSeal(publicKey: Bytes, info: Uint8Array, plaintext: Uint8Array): Promise<Bytes> {
  demandEncKey(publicKey);
  const { suite } = await engine();
  const key = await suite.DeserializePublicKey(publicKey);
  const { encapsulatedSecret, ciphertext } = await suite.Seal(key, plaintext, { info });
  return concat(encapsulatedSecret, ciphertext);
}

/** The X-Wing key of a 32-byte seed. */
export async function encKeyFromSeed(seed: Bytes): Promise<EncKey> {
  demand(seed.length === SEED, "bad_format", "seed of the wrong length");
  const { publicOf } = await engine();
  return encKeyWithPublic(seed, await publicOf(seed));
}

/** As `encKeyFromSeed`, when the public key is already known: spares its derivation. */
export async function encKeyWithPublic(seed: Bytes, publicKey: Bytes): Promise<EncKey> {
  demand(seed.length === SEED, "bad_format", "seed of the wrong length");
  const { suite } = await engine();
  const key = await suite.DeserializePrivateKey(seed.slice()); // a copy: the caller may wipe its own
  return {
    public: publicKey,
    open: async (info, box) => {
      demand(box.length >= ENCAPSULATED + AES_TAG, "open_failed", "box cut short");
      return refuseAs("open_failed", "the box does not open", async () => {
        const opened = await suite.Open(key, box.subarray(0, ENCAPSULATED), box.subarray(ENCAPSULATED), { info });
        return concat(opened);
      });
    },
  };
}

/**
 * Refuse an X-Wing public key of the wrong length (`bad_format`), one that fails the ML-KEM encapsulation key check
 * (`weak_key`): every 12-bit coefficient below 3329, FIPS 203 section 7.2; and one whose X25519 half is of small order
 * (`weak_key`), in any of its spellings: nobody could seal to it.
 */
export function demandEncKey(publicKey: Bytes): void {
  demand(publicKey.length === ENC_PUBLIC, "bad_format", "X-Wing key of the wrong length");
  for (let i = 0; i < ML_KEM_COEFFICIENT_BYTES; i += 3) {
    const three = (publicKey[i] ?? 0) | ((publicKey[i + 1] ?? 0) << 8) | ((publicKey[i + 2] ?? 0) << 16);
    const reduced = (three & 0xfff) < ML_KEM_MODULUS && three >> 12 < ML_KEM_MODULUS;
    demand(reduced, "weak_key", "ML-KEM coefficient out of range");
  }
  demand(!SMALL_ORDER_U.has(coordinate(publicKey.subarray(ML_KEM_PUBLIC))), "weak_key", "X25519 half of small order");
}

/** The u-coordinate that 32 bytes stand for: little-endian, top bit ignored, modulo the field. */
function coordinate(bytes: Bytes): bigint {
  const value = bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return (value & (2n ** 255n - 1n)) % P;
}

async function engine(): Promise<Engine> {
  chosen ??= chooseEngine().catch((error: unknown) => {
    chosen = undefined; // a part that could not be fetched may come the next time
    throw error;
  });
  return chosen;
}

async function chooseEngine(): Promise<Engine> {
  const [{ KEM_MLKEM768_X25519: kem }, { shake256 }] = await Promise.all([import("hpke"), import("@noble/hashes/sha3.js")]);
  const expand = (seed: Bytes): Bytes => concat(shake256(seed, { dkLen: ML_KEM_SEED + SEED }));
  try {
    const native: Engine = { name: "native", suite: await suiteWith(kem), publicOf: (seed) => nativePublicOf(expand(seed)) };
    await demandWorks(native);
    return native;
  } catch {
    return nobleEngine();
  }
}

async function nobleEngine(): Promise<Engine> {
  const [{ KEM_MLKEM768_X25519: kem }, { MLKEM768X25519: xwing }] = await Promise.all([
    import("@panva/hpke-noble"),
    import("@noble/post-quantum/hybrid.js"),
  ]);
  return { name: "noble", suite: await suiteWith(kem), publicOf: (seed) => Promise.resolve(concat(xwing.keygen(seed).publicKey)) };
}

async function suiteWith(kem: KEMFactory): Promise<CipherSuite> {
  const { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256 } = await import("hpke");
  return new CipherSuite(kem, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
}

/** One sealed and opened byte: a browser may know the names and still not do the work. */
async function demandWorks(candidate: Engine): Promise<void> {
  const seed = new Uint8Array(SEED).fill(1);
  const message = Uint8Array.of(1);
  const publicKey = await candidate.suite.DeserializePublicKey(await candidate.publicOf(seed));
  const { encapsulatedSecret, ciphertext } = await candidate.suite.Seal(publicKey, message);
  const privateKey = await candidate.suite.DeserializePrivateKey(seed);
  const opened = await candidate.suite.Open(privateKey, encapsulatedSecret, ciphertext);
  demand(equal(opened, message), "open_failed", "the native engine does not open what it sealed");
}

/**
 * The public key of an expanded seed (SHAKE256, as in draft-connolly-cfrg-xwing-kem) by WebCrypto: both halves read off their JWK.
 */
async function nativePublicOf(expanded: Bytes): Promise<Bytes> {
  const mlKem = await importForJwk("raw-seed", expanded.slice(0, ML_KEM_SEED), "ML-KEM-768", ["decapsulateBits"]);
  const scalar = concat(X25519_PKCS8_PREFIX, expanded.slice(ML_KEM_SEED));
  const x25519 = await importForJwk("pkcs8", scalar, "X25519", ["deriveBits"]);
  return concat(unb64(mlKem.pub ?? "", ML_KEM_PUBLIC), unb64(x25519.x ?? "", ENC_PUBLIC - ML_KEM_PUBLIC));
}

type Jwk = JsonWebKey & { readonly pub?: string };

async function importForJwk(format: string, key: Bytes, name: string, usages: readonly string[]): Promise<Jwk> {
  // The names of ML-KEM are newer than the types of the platform.
  const subtle = crypto.subtle as unknown as {
    importKey(format: string, key: Bytes, name: string, readable: boolean, usages: readonly string[]): Promise<CryptoKey>;
    exportKey(format: "jwk", key: CryptoKey): Promise<Jwk>;
  };
  const imported = await subtle.importKey(format, key, name, true, usages);
  const exported = await subtle.exportKey("jwk", imported);
  if (exported.kty === undefined) throw new ProtocolError("bad_format", "no JWK");
  return exported;
}
