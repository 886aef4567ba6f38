/**
 * Labels, hashes and key derivation. Source: docs/spec/protocol.md 1.2.
 */

import { concat, utf8 } from "./codec.ts";
import { AES_KEY, AES_NONCE, type Bytes } from "./suite.ts";

/** `utf8("pli/1/" + name) || 0x00`: a label serves one purpose only. */
export function label(name: string): Bytes {
  return concat(utf8(`pli/1/${name}`), new Uint8Array(1));
}

/** SHA-256 of all parts, 32 bytes. */
export async function sha256(...parts: readonly Uint8Array[]): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/** `H(label, data)`, 32 bytes. */
export async function hash(name: string, ...data: readonly Uint8Array[]): Promise<Bytes> {
  return sha256(label(name), ...data);
}

export type KdfInput = { readonly length: number; readonly context?: Uint8Array; readonly salt?: Uint8Array };

/** `KDF(label, ikm, context, length, salt)`: HKDF-SHA256 with `info = L(label) || context`. */
export async function kdf(name: string, ikm: Uint8Array, input: KdfInput): Promise<Bytes> {
  const info = concat(label(name), input.context ?? new Uint8Array());
  return hkdf(ikm, { salt: input.salt ?? new Uint8Array(), info, length: input.length });
}

/** HKDF-SHA256, RFC 5869, without a label: for the attachment format only. */
export async function hkdf(
  ikm: Uint8Array,
  input: { readonly salt: Uint8Array; readonly info: Uint8Array; readonly length: number },
): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", concat(ikm), "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: concat(input.salt), info: concat(input.info) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, input.length * 8));
}

/** An AES-256 key and the one nonce it is used with. */
export type KeyAndNonce = { readonly key: Bytes; readonly nonce: Bytes };

/** `KDF(…, length 44)` split into key 32 and nonce 12. */
export async function kdfKeyAndNonce(
  name: string,
  ikm: Uint8Array,
  input: Omit<KdfInput, "length"> = {},
): Promise<KeyAndNonce> {
  const both = await kdf(name, ikm, { ...input, length: AES_KEY + AES_NONCE });
  return { key: both.slice(0, AES_KEY), nonce: both.slice(AES_KEY) };
}
