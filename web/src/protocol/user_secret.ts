/**
 * The user secret of an account: one 32-byte value a generation, boxed for each holder. Source: docs/spec/protocol.md 4.
 */

import * as aead from "./aead.ts";
import { concat, equal, u32, unb64, utf8 } from "./codec.ts";
import { demand } from "./errors.ts";
import type { Holder } from "./holder.ts";
import { encKeyFromSeed, hpkeSeal, type EncKey } from "./hpke.ts";
import { kdf, kdfKeyAndNonce, label, type KeyAndNonce } from "./kdf.ts";
import { systemRandom, type Random } from "./random.ts";
import { AES_KEY, AES_NONCE, AES_TAG, HASH, HOLDER_ID, SEED, type AccountId, type B64, type Bytes, type HolderId } from "./suite.ts";

/** One generation: the secret, `UK_g` (what others encrypt to) and `US_g` (own data). */
export type UserSecret = {
  readonly generation: number;
  readonly secret: Bytes;
  readonly enc: EncKey;
  readonly own: Bytes;
};

/** Derive both keys of `secret` (32 bytes). */
export async function userSecret(generation: number, secret: Bytes): Promise<UserSecret> {
  demand(secret.length === SEED, "bad_format", "user secret of the wrong length");
  const [seed, own] = await Promise.all([kdf("uk/enc", secret, { length: SEED }), kdf("uk/sym", secret, { length: AES_KEY })]);
  return { generation, secret, enc: await encKeyFromSeed(seed), own };
}

export async function newUserSecret(generation: number, random: Random = systemRandom): Promise<UserSecret> {
  return userSecret(generation, random(SEED));
}

/** Where a user secret belongs. */
export type SecretPlace = { readonly account: AccountId; readonly generation: number };

/** Box of 1,168 bytes for the holder with this id and X-Wing key. */
export async function sealUserSecret(
  secret: UserSecret,
  account: AccountId,
  holder: { readonly id: HolderId; readonly enc: Bytes },
): Promise<Bytes> {
  return hpkeSeal(holder.enc, boxInfo({ account, generation: secret.generation }, holder.id), secret.secret);
}

/** Open a box; `expected` is UK_g's public key in the account chain. Refuses: `open_failed`, `forged_box`. */
export async function openUserSecret(box: Bytes, place: SecretPlace, holder: Holder, expected: B64): Promise<UserSecret> {
  const opened = await holder.open(boxInfo(place, holder.id), box);
  return secretOfChain(opened, place.generation, expected);
}

/** `uks_(g-1)` sealed under `US_g`, 48 bytes. */
export async function sealPrevious(newer: UserSecret, older: UserSecret, account: AccountId): Promise<Bytes> {
  return aead.seal(await previousKey(newer, account), older.secret);
}

/** The generation before `newer`; `expected` is its public key in the chain. Refuses: `open_failed`, `forged_box`. */
export async function openPrevious(sealed: Bytes, newer: UserSecret, account: AccountId, expected: B64): Promise<UserSecret> {
  const opened = await aead.open(await previousKey(newer, account), sealed);
  return secretOfChain(opened, newer.generation - 1, expected);
}

/** Seal own data (pins, drafts, settings) under `US_g`: 12-byte nonce || sealed, 28 bytes more than `data`. */
export async function sealOwnData(
  own: Bytes,
  name: string,
  data: Uint8Array,
  random: Random = systemRandom,
): Promise<Bytes> {
  const nonce = random(AES_NONCE);
  return concat(nonce, await aead.seal({ key: await ownDataKey(own, name), nonce }, data, utf8(name)));
}

/** Open own data; refuses with `open_failed`. */
export async function openOwnData(own: Bytes, name: string, wire: Bytes): Promise<Bytes> {
  demand(wire.length >= AES_NONCE + AES_TAG, "open_failed", "shorter than a nonce and a tag");
  const by = { key: await ownDataKey(own, name), nonce: wire.slice(0, AES_NONCE) };
  return aead.open(by, wire.slice(AES_NONCE), utf8(name));
}

function boxInfo(place: SecretPlace, holder: HolderId): Bytes {
  return concat(label("uks-box"), unb64(place.account, HASH), u32(place.generation), unb64(holder, HOLDER_ID));
}

async function previousKey(newer: UserSecret, account: AccountId): Promise<KeyAndNonce> {
  const context = concat(unb64(account, HASH), u32(newer.generation));
  return kdfKeyAndNonce("uks-previous", newer.own, { context });
}

async function ownDataKey(own: Bytes, name: string): Promise<Bytes> {
  return kdf("own-data", own, { context: utf8(name), length: AES_KEY });
}

/** HPKE base mode lets anybody make a box: only the chain says which secret is the account's. */
async function secretOfChain(opened: Bytes, generation: number, expected: B64): Promise<UserSecret> {
  demand(opened.length === SEED, "forged_box", "user secret of the wrong length");
  const secret = await userSecret(generation, opened);
  demand(equal(secret.enc.public, unb64(expected)), "forged_box", "not the user secret of the chain");
  return secret;
}
