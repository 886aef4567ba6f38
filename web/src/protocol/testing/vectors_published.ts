/**
 * What others published and our own interface can perform. HPKE hides the shared secret of its KEM, so a message is sealed by
 * hand under the published one (RFC 9180 5.1): only a key that comes to the same secret opens it.
 */

import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

import { seal } from "../aead.ts";
import { b64, concat, equal, utf8 } from "../codec.ts";
import { encKeyFromSeed } from "../hpke.ts";
import type { KeyAndNonce } from "../kdf.ts";
import { AES_KEY, AES_NONCE, type Bytes } from "../suite.ts";
import type { Op } from "./vector.ts";

/** X-Wing, HKDF-SHA256, AES-256-GCM. */
const HPKE_SUITE = concat(utf8("HPKE"), Uint8Array.of(0x64, 0x7a, 0, 1, 0, 2));
const INFO = utf8("published");

const x_wing: { readonly [op: string]: Op } = {
  decapsulate: async (v) => {
    const key = await encKeyFromSeed(v.bytes("seed"));
    const message = utf8("opens");
    const sealed = await seal(hpkeBaseKeys(v.bytes("ss")), message);
    const opened = await key.open(INFO, concat(v.bytes("ct"), sealed));
    return { pk: b64(key.public), opens: equal(opened, message) };
  },
};

function hpkeBaseKeys(sharedSecret: Bytes): KeyAndNonce {
  const nothing = new Uint8Array();
  const context = concat(
    new Uint8Array(1), // base mode
    extract(nothing, "psk_id_hash", nothing),
    extract(nothing, "info_hash", INFO),
  );
  const secret = extract(sharedSecret, "secret", nothing);
  return { key: expand(secret, "key", context, AES_KEY), nonce: expand(secret, "base_nonce", context, AES_NONCE) };
}

function extract(salt: Bytes, label: string, ikm: Bytes): Bytes {
  return concat(hmac(sha256, salt, concat(utf8("HPKE-v1"), HPKE_SUITE, utf8(label), ikm)));
}

/** One block: at most 32 bytes. */
function expand(secret: Bytes, label: string, context: Bytes, length: number): Bytes {
  const info = concat(Uint8Array.of(0, length), utf8("HPKE-v1"), HPKE_SUITE, utf8(label), context);
  return concat(hmac(sha256, secret, concat(info, Uint8Array.of(1)))).slice(0, length);
}

export const publishedOps = { x_wing };
