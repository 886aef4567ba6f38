/**
 * Ed25519 by WebCrypto, and the keys that are refused at the door. Source: docs/spec/protocol.md 1.2, 2.
 *
 * Verification is WebCrypto's alone: it agrees with OpenSSL on ed25519-speccheck, which other libraries do not.
 */

import { concat, equal, unb64 } from "./codec.ts";
import { demand } from "./errors.ts";
import { label } from "./kdf.ts";
import { SEED, SIGN_PUBLIC, SIGNATURE, type Bytes } from "./suite.ts";

/** Whoever can sign bytes: a holder, an invite. */
export interface Signer {
  /** Ed25519 over exactly these bytes, 64 bytes. */
  sign(data: Uint8Array): Promise<Bytes>;
}

export type SignKey = Signer & { readonly public: Bytes };

/** PKCS #8 of an Ed25519 private key, RFC 8410 section 7, up to the 32-byte seed. */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/** p = 2^255 - 19, little-endian. */
const FIELD = concat(Uint8Array.of(0xed), new Uint8Array(30).fill(0xff), Uint8Array.of(0x7f));

/** The y of the eight points of small order, sign bit cleared: each stands for x and -x. */
const SMALL_ORDER_Y: readonly Bytes[] = [
  new Uint8Array(32),
  concat(Uint8Array.of(1), new Uint8Array(31)),
  concat(Uint8Array.of(0xec), FIELD.slice(1)),
  unb64("xxdqcD092E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"),
  unb64("JuiVj8LCJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU"),
];

/** The key pair of a 32-byte private seed; the private key cannot be read back. */
export async function signKeyFromSeed(seed: Bytes): Promise<SignKey> {
  demand(seed.length === SEED, "bad_format", "seed of the wrong length");
  const pkcs8 = concat(PKCS8_PREFIX, seed);
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", readable);
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  return signKeyFromCryptoKey(key, unb64(x ?? "", SIGN_PUBLIC));
}

/** A private key the platform keeps. */
export function signKeyFromCryptoKey(key: CryptoKey, publicKey: Bytes): SignKey {
  return {
    public: publicKey,
    sign: async (data) => new Uint8Array(await crypto.subtle.sign("Ed25519", key, concat(data))),
  };
}

/** `SIGN(key, label, data)`, 64 bytes. */
export async function signLabelled(signer: Signer, name: string, ...data: readonly Uint8Array[]): Promise<Bytes> {
  return signer.sign(concat(label(name), ...data));
}

/** Whether `signature` is `publicKey`'s over `L(label) || data`. */
export async function verifyLabelled(
  publicKey: Bytes,
  signature: Bytes,
  name: string,
  ...data: readonly Uint8Array[]
): Promise<boolean> {
  return verify(publicKey, signature, concat(label(name), ...data));
}

/** Plain Ed25519 verification. A key or signature of a wrong form is `false`, never an exception. */
export async function verify(publicKey: Bytes, signature: Bytes, data: Bytes): Promise<boolean> {
  if (publicKey.length !== SIGN_PUBLIC || signature.length !== SIGNATURE) return false;
  try {
    const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", key, signature, data);
  } catch {
    return false;
  }
}

/** Refuse (`weak_key`) a key whose y is not below 2^255 - 19, or that is of small order. */
export function demandStrongSignKey(publicKey: Bytes): void {
  demand(publicKey.length === SIGN_PUBLIC, "bad_format", "Ed25519 key of the wrong length");
  const y = publicKey.slice();
  y[SIGN_PUBLIC - 1] = (y[SIGN_PUBLIC - 1] ?? 0) & 0x7f;
  demand(isBelow(y, FIELD), "weak_key", "Ed25519 key is not canonical");
  demand(!SMALL_ORDER_Y.some((small) => equal(small, y)), "weak_key", "Ed25519 key of small order");
}

function isBelow(a: Bytes, b: Bytes): boolean {
  for (let i = a.length - 1; i >= 0; i--) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (x !== y) return x < y;
  }
  return false;
}
