/**
 * A passkey's PRF output wraps a holder seed, and pins the newest chain. Source: docs/spec/protocol.md 11.
 */

import * as aead from "./aead.ts";
import { decodeCanonical, encodeCanonical } from "./codec.ts";
import { demand } from "./errors.ts";
import { kdfKeyAndNonce, label, sha256 } from "./kdf.ts";
import * as shape from "./shape.ts";
import { HASH, SEED, type Bytes } from "./suite.ts";

const PRF_OUTPUT = 32;

const wrapped = shape.object({
  account: shape.bytes(HASH),
  head: shape.bytes(HASH),
  position: shape.integer(0),
  seed: shape.bytes(SEED),
});

/** Account, newest known chain head, and the 32-byte seed (b64) of the passkey holder. */
export type Wrapped = ReturnType<typeof wrapped>;

/** What the browser gives to the passkey as `prf.eval.first`. */
export async function passkeyPrfInput(): Promise<Bytes> {
  return sha256(label("passkey/prf"));
}

/** The blob that lies on the server under the credential id. Same input, same bytes: seal only under a fresh credential. */
export async function sealPasskey(prf: Bytes, credential: Bytes, content: Wrapped): Promise<Bytes> {
  return aead.seal(await wrapKey(prf, credential), encodeCanonical(content), credential);
}

/** Refuses with `open_failed` or `bad_format`. The caller compares `head` and `position` (`rollback`). */
export async function openPasskey(prf: Bytes, credential: Bytes, blob: Bytes): Promise<Wrapped> {
  return wrapped(decodeCanonical(await aead.open(await wrapKey(prf, credential), blob, credential)));
}

async function wrapKey(prf: Bytes, credential: Bytes): ReturnType<typeof kdfKeyAndNonce> {
  demand(prf.length === PRF_OUTPUT, "bad_format", "PRF output of the wrong length");
  return kdfKeyAndNonce("passkey/wrap", prf, { context: credential });
}
