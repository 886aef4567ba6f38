/**
 * What a real browser is asked by `tests/journeys/test_protocol_in_browser.py`: the shared vectors, and whether device keys
 * survive IndexedDB without ever being readable.
 */

import { createAccount, unlock } from "../account.ts";
import { DeviceKeys, selfTest, type StoredDevice } from "../holder.ts";
import { hpkeEngine } from "../hpke.ts";
import type { ChainState } from "../chain_state.ts";
import type { Bytes } from "../suite.ts";
import { NOW } from "./people.ts";
import { readGroup, type RawGroup } from "./vector.ts";
import { difference } from "./vectors.ts";

/** Run a vector file; returns how many cases there are and what differs. */
export async function runVectors(address: string): Promise<{ readonly cases: number; readonly failures: readonly string[] }> {
  const answer = await fetch(address);
  const group = readGroup((await answer.json()) as RawGroup);
  const failures: string[] = [];
  for (const one of group.cases) {
    const wrong = await difference(group, one);
    if (wrong !== null) failures.push(`${group.group}: ${one.name}: ${wrong}`);
  }
  return { cases: group.cases.length, failures };
}

export async function engineName(): Promise<string> {
  return hpkeEngine();
}

/** Make a device and an account with it, keep the device in IndexedDB, and leave the rest to the next page load. */
export async function keepDevice(): Promise<{ readonly id: string; readonly exported: readonly string[] }> {
  const device = await DeviceKeys.create();
  const account = await createAccount({ device, deviceName: "browser", at: NOW });
  const box = account.boxes.find(({ holder }) => holder === device.id)?.box;
  await inStore("readwrite", (store) => store.put({ device: device.stored, chain: account.chain, box }, "device"));
  return { id: device.id, exported: await exportable(device.stored) };
}

/** After a reload: take the device back, test it, and open the box that was sealed to it before. */
export async function takeDevice(): Promise<{
  readonly id: string;
  readonly works: boolean;
  readonly opened: string;
  readonly exported: readonly string[];
}> {
  type Kept = { readonly device: StoredDevice; readonly chain: ChainState; readonly box: Bytes };
  const kept = (await inStore("readonly", (store) => store.get("device"))) as Kept;
  const device = await DeviceKeys.load(kept.device);
  const secrets = await unlock({ chain: kept.chain, holder: device, box: kept.box, generation: 1, previous: [] });
  return { id: device.id, works: await selfTest(device), opened: secrets.member, exported: await exportable(kept.device) };
}

/** Formats in which a stored secret key can be read out: none. */
async function exportable(stored: StoredDevice): Promise<readonly string[]> {
  const readable: string[] = [];
  for (const key of [stored.signKey, stored.wrapKey]) {
    for (const format of ["raw", "pkcs8", "jwk"] as const) {
      try {
        await crypto.subtle.exportKey(format, key);
        readable.push(`${key.algorithm.name} as ${format}`);
      } catch {
        // refused, as it must be
      }
    }
  }
  return readable;
}

async function inStore(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
  const database = await settled(openDatabase());
  try {
    return await settled(use(database.transaction("kept", mode).objectStore("kept")));
  } finally {
    database.close();
  }
}

function openDatabase(): IDBOpenDBRequest {
  const opening = indexedDB.open("protocol-test", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
  return opening;
}

async function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => { resolve(request.result); };
    request.onerror = () => { reject(request.error ?? new Error("IndexedDB")); };
  });
}

// The page is driven from outside: its functions have to be found there.
Object.assign(globalThis, { runVectors, engineName, keepDevice, takeDevice });
