/** This browser as a device of an account: what must be there before anything else can be opened. */

import type { Change, Platform, Storage } from "../platform/platform.ts";
import { DeviceKeys, selfTest, type StoredDevice } from "../protocol/holder.ts";
import type { AccountId, B64 } from "../protocol/suite.ts";
import { LocalRefusal } from "./refusals.ts";
import { Vault } from "./vault.ts";

const KEY = "device";
const DRAWERS = ["own", "accounts", "conversations", "events", "outbox", "uploads"] as const;
const CLEARED: readonly Change[] = DRAWERS.map((drawer) => ({ drawer, clear: true }));

/** Lies in the drawer `device`; its keys cannot be read out. */
export type DeviceRecord = {
  readonly account: AccountId;
  readonly keys: StoredDevice;
  /** Seals everything else that lies on this device. */
  readonly vaultKey: CryptoKey;
  readonly server: B64;
  /** Pinned at first contact (docs/spec/protocol.md 5.4). */
  readonly registryKey: B64;
};

export type Device = { readonly record: DeviceRecord; readonly keys: DeviceKeys; readonly vault: Vault };

export async function loadDevice(platform: Platform, storage: Storage): Promise<Device | null> {
  const record = await keptRecord(storage);
  if (record === undefined) return null;
  return deviceOf(platform, storage, record, await DeviceKeys.load(record.keys));
}

/**
 * Keep a new device before it is told to anybody, and read it back: a key that does not survive this browser's storage
 * must be found out now. @throws LocalRefusal `device_in_use`: another account lies here, and nothing was touched;
 * `storage_unavailable`
 */
export async function keepDevice(
  platform: Platform,
  storage: Storage,
  fresh: { readonly account: AccountId; readonly keys: DeviceKeys; readonly server: B64; readonly registryKey: B64 },
): Promise<Device> {
  const before = await keptRecord(storage);
  if (before !== undefined && !isOf(before, fresh)) throw new LocalRefusal("device_in_use");
  // The same person unlocks again: what waits to be sent stays readable. A new one begins on an empty device.
  const vaultKey = before?.vaultKey ?? (await Vault.newKey());
  const record: DeviceRecord = { ...fresh, keys: fresh.keys.stored, vaultKey };
  await storage.write([...(before === undefined ? CLEARED : []), { drawer: "device", key: KEY, put: record }]);
  const device = await loadDevice(platform, storage);
  if (device === null || !(await selfTest(device.keys))) {
    await putBack(storage, before);
    throw new LocalRefusal("storage_unavailable");
  }
  return device;
}

export function keptRecord(storage: Storage): Promise<DeviceRecord | undefined> {
  return storage.read<DeviceRecord>("device", KEY);
}

/** Undo `keepDevice`: what lay here before lies here again, and what waits to be sent stays readable. */
export async function putBack(storage: Storage, before: DeviceRecord | undefined): Promise<void> {
  const change = before === undefined ? ({ remove: true } as const) : { put: before };
  await storage.write([{ drawer: "device", key: KEY, ...change }]);
}

export function isOf(record: DeviceRecord, of: { readonly account: AccountId; readonly server: B64 }): boolean {
  return record.account === of.account && record.server === of.server;
}

function deviceOf(platform: Platform, storage: Storage, record: DeviceRecord, keys: DeviceKeys): Device {
  return { record, keys, vault: new Vault(storage, record.vaultKey, (length) => platform.random(length)) };
}
