/**
 * What lies on this device is sealed: values of the drawers are JSON under AES-256-GCM with a key that cannot be read
 * out of the browser. Drawer and key are the associated data, so values cannot be exchanged for one another.
 */

import type { Change, Drawer, Key, Storage } from "../platform/platform.ts";
import { fromUtf8, utf8 } from "../protocol/codec.ts";
import type { Bytes } from "../protocol/suite.ts";

const NONCE = 12;

type Sealed = { readonly nonce: Bytes; readonly sealed: Bytes };

export class Vault {
  readonly storage: Storage;
  readonly #key: CryptoKey;
  readonly #random: (length: number) => Bytes;

  constructor(storage: Storage, key: CryptoKey, random: (length: number) => Bytes) {
    this.storage = storage;
    this.#key = key;
    this.#random = random;
  }

  static newKey(): Promise<CryptoKey> {
    return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  }

  async read<T>(drawer: Drawer, key: Key): Promise<T | undefined> {
    const stored = await this.storage.read<Sealed>(drawer, key);
    return stored === undefined ? undefined : this.#open<T>(drawer, key, stored);
  }

  /** Ascending between two keys inclusive; `newest`: only the last so many. */
  async range<T>(drawer: Drawer, from: Key, to: Key, newest?: number): Promise<readonly T[]> {
    const stored = await this.storage.range<Sealed>(drawer, from, to, newest);
    return Promise.all(stored.map((row) => this.#open<T>(drawer, row.key, row.value)));
  }

  /** A change for `write`, sealed. */
  async put(drawer: Drawer, key: Key, value: unknown): Promise<Change> {
    const nonce = this.#random(NONCE);
    const by = { name: "AES-GCM", iv: nonce, additionalData: place(drawer, key) };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(by, this.#key, utf8(JSON.stringify(value))));
    return { drawer, key, put: { nonce, sealed } satisfies Sealed };
  }

  write(changes: readonly Change[]): Promise<void> {
    return this.storage.write(changes);
  }

  async keep(drawer: Drawer, key: Key, value: unknown): Promise<void> {
    await this.write([await this.put(drawer, key, value)]);
  }

  async #open<T>(drawer: Drawer, key: Key, stored: Sealed): Promise<T> {
    const by = { name: "AES-GCM", iv: stored.nonce, additionalData: place(drawer, key) };
    const opened = await crypto.subtle.decrypt(by, this.#key, stored.sealed);
    return JSON.parse(fromUtf8(new Uint8Array(opened))) as T;
  }
}

function place(drawer: Drawer, key: Key): Bytes {
  return utf8(JSON.stringify([drawer, key]));
}
