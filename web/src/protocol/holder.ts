/**
 * Holders: pairs of key pairs that can open an account. Source: docs/spec/protocol.md 3.
 */

import * as aead from "./aead.ts";
import { b64, equal, unb64 } from "./codec.ts";
import { demand } from "./errors.ts";
import { encKeyFromSeed, encKeyWithPublic, hpkeSeal, type EncKey } from "./hpke.ts";
import { hash, kdf } from "./kdf.ts";
import { systemRandom, type Random } from "./random.ts";
import { signKeyFromCryptoKey, signKeyFromSeed, verify, type Signer, type SignKey } from "./sign.ts";
import { AES_NONCE, HOLDER_ID, SEED, SIGN_PUBLIC, type Bytes, type HolderId } from "./suite.ts";

export type HolderKind = "device" | "recovery" | "passkey";

/** Signs with Ed25519 and opens boxes with X-Wing; where the secret keys live is its own affair. */
export interface Holder extends Signer {
  readonly id: HolderId;
  readonly signPublic: Bytes;
  readonly encPublic: Bytes;
  /** Open an HPKE box; refuses with `open_failed`. */
  open(info: Uint8Array, box: Uint8Array): Promise<Bytes>;
}

/** First 16 bytes of `H("holder", sign_pk || enc_pk)`. */
export async function holderId(signPublic: Bytes, encPublic: Bytes): Promise<HolderId> {
  return b64((await hash("holder", signPublic, encPublic)).slice(0, HOLDER_ID));
}

/** Both key pairs from one 32-byte seed: recovery codes, passkeys, terminals. */
export async function holderFromSeed(seed: Bytes): Promise<Holder> {
  const { sign, enc } = await keysFromSeed(seed);
  return holderOf(sign, enc);
}

/** The two key pairs of a seed, as for a holder (also those of an invitation, docs/spec/protocol.md 9.1). */
export async function keysFromSeed(seed: Bytes): Promise<{ readonly sign: SignKey; readonly enc: EncKey }> {
  demand(seed.length === SEED, "bad_format", "seed of the wrong length");
  const [signSeed, encSeed] = await Promise.all([
    kdf("holder/sign", seed, { length: SEED }),
    kdf("holder/enc", seed, { length: SEED }),
  ]);
  const [sign, enc] = await Promise.all([signKeyFromSeed(signSeed), encKeyFromSeed(encSeed)]);
  return { sign, enc };
}

async function holderOf(sign: SignKey, enc: EncKey): Promise<Holder> {
  return {
    id: await holderId(sign.public, enc.public),
    signPublic: sign.public,
    encPublic: enc.public,
    sign: (data) => sign.sign(data),
    open: (info, box) => enc.open(info, box),
  };
}

/**
 * What a browser keeps of a device, ready for IndexedDB: two keys that cannot be read out, and bytes.
 * The X-Wing seed is wrapped because Chromium cannot store its native X-Wing keys.
 */
export type StoredDevice = {
  readonly signKey: CryptoKey;
  readonly signPublic: Bytes;
  readonly wrapKey: CryptoKey;
  /** 12-byte nonce || AES-256-GCM(X-Wing seed, aad = encPublic). */
  readonly wrappedSeed: Bytes;
  readonly encPublic: Bytes;
};

/** A device whose secret keys never leave the browser. */
export class DeviceKeys implements Holder {
  readonly id: HolderId;
  readonly stored: StoredDevice;
  readonly #sign: SignKey;
  readonly #enc: EncKey;

  private constructor(id: HolderId, stored: StoredDevice, enc: EncKey) {
    this.id = id;
    this.stored = stored;
    this.#sign = signKeyFromCryptoKey(stored.signKey, stored.signPublic);
    this.#enc = enc;
  }

  /** Draw a new device. Keep `stored`, load it back and `selfTest` it before anything is signed with it. */
  static async create(random: Random = systemRandom): Promise<DeviceKeys> {
    const pair = (await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]));
    const signPublic = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
    const wrapKey = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    const seed = random(SEED);
    const enc = await encKeyFromSeed(seed);
    const wrappedSeed = await aead.sealWith(wrapKey, random(AES_NONCE), seed, enc.public);
    seed.fill(0);
    const stored = { signKey: pair.privateKey, signPublic, wrapKey, wrappedSeed, encPublic: enc.public };
    return new DeviceKeys(await holderId(signPublic, enc.public), stored, enc);
  }

  /** Take a device back from storage; refuses with `open_failed` when the wrapped seed does not open. */
  static async load(stored: StoredDevice): Promise<DeviceKeys> {
    const seed = await aead.openWith(stored.wrapKey, stored.wrappedSeed, stored.encPublic);
    const enc = await encKeyWithPublic(seed, stored.encPublic);
    seed.fill(0);
    return new DeviceKeys(await holderId(stored.signPublic, stored.encPublic), stored, enc);
  }

  get signPublic(): Bytes {
    return this.stored.signPublic;
  }

  get encPublic(): Bytes {
    return this.stored.encPublic;
  }

  sign(data: Uint8Array): Promise<Bytes> {
    return this.#sign.sign(data);
  }

  open(info: Uint8Array, box: Uint8Array): Promise<Bytes> {
    return this.#enc.open(info, box);
  }
}

/** Sign and open once: whether a holder that came back from storage still works. */
export async function selfTest(holder: Holder): Promise<boolean> {
  const probe = unb64("cGxp");
  const signature = await holder.sign(probe);
  const box = await hpkeSeal(holder.encPublic, probe, probe);
  const opened = await holder.open(probe, box);
  const idHolds = (await holderId(holder.signPublic, holder.encPublic)) === holder.id;
  return idHolds && holder.signPublic.length === SIGN_PUBLIC && equal(opened, probe) && (await verify(holder.signPublic, signature, probe));
}
