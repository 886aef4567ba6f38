/**
 * AES-256-GCM with a 12-byte nonce and a 16-byte tag, by WebCrypto. Source: docs/spec/protocol.md 2.
 */

import { concat } from "./codec.ts";
import { demand, refuseAs } from "./errors.ts";
import type { KeyAndNonce } from "./kdf.ts";
import { AES_KEY, AES_NONCE, AES_TAG, type Bytes } from "./suite.ts";

const NO_AAD: Bytes = new Uint8Array();

/** Returns `plaintext.length + 16` bytes. The nonce must be new for this key. */
export async function seal(by: KeyAndNonce, plaintext: Uint8Array, aad: Uint8Array = NO_AAD): Promise<Bytes> {
  const key = await importAes(by.key, "encrypt");
  const sealed = await crypto.subtle.encrypt(parameters(by.nonce, aad), key, concat(plaintext));
  return new Uint8Array(sealed);
}

/** Returns the plaintext, or refuses with `open_failed` without saying which part is wrong. */
export async function open(by: KeyAndNonce, sealed: Uint8Array, aad: Uint8Array = NO_AAD): Promise<Bytes> {
  demand(sealed.length >= AES_TAG, "open_failed", "shorter than a tag");
  const key = await importAes(by.key, "decrypt");
  return refuseAs("open_failed", "the seal does not open", async () => {
    const opened = await crypto.subtle.decrypt(parameters(by.nonce, aad), key, concat(sealed));
    return new Uint8Array(opened);
  });
}

async function importAes(key: Bytes, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  demand(key.length === AES_KEY, "bad_format", "AES key of the wrong length");
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [usage]);
}

function parameters(nonce: Bytes, aad: Uint8Array): AesGcmParams {
  demand(nonce.length === AES_NONCE, "bad_format", "nonce of the wrong length");
  return { name: "AES-GCM", iv: nonce, additionalData: concat(aad), tagLength: AES_TAG * 8 };
}

/** Open `nonce 12 || sealed` under a key the platform keeps; refuses with `open_failed`. */
export async function openWith(key: CryptoKey, wire: Bytes, aad: Uint8Array): Promise<Bytes> {
  demand(wire.length >= AES_NONCE + AES_TAG, "open_failed", "shorter than a nonce and a tag");
  return refuseAs("open_failed", "the seal does not open", async () => {
    const opened = await crypto.subtle.decrypt(parameters(wire.slice(0, AES_NONCE), aad), key, wire.slice(AES_NONCE));
    return new Uint8Array(opened);
  });
}

/** Seal under a key the platform keeps, as `nonce 12 || sealed`. */
export async function sealWith(key: CryptoKey, nonce: Bytes, plaintext: Bytes, aad: Uint8Array): Promise<Bytes> {
  return concat(nonce, new Uint8Array(await crypto.subtle.encrypt(parameters(nonce, aad), key, plaintext)));
}
