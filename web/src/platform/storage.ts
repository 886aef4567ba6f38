/** IndexedDB behind `Storage`. Steps of the schema are append-only: the length of the list is the version. */

import { deleteDB, openDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import type { Change, Drawer, Key, Storage, Stored } from "./platform.ts";

const STEPS: readonly ((db: IDBPDatabase) => void)[] = [
  (db) => {
    const drawers: readonly Drawer[] = ["device", "own", "accounts", "conversations", "events", "outbox", "uploads"];
    for (const drawer of drawers) db.createObjectStore(drawer);
  },
];

export async function openStorage(name: string): Promise<Storage> {
  const db = await openDB(name, STEPS.length, {
    upgrade: (opened, from) => {
      for (const step of STEPS.slice(from)) step(opened);
    },
    // Another tab wipes (log-off) or upgrades: let go, so that it is not kept waiting.
    blocking: (_from, _to, event) => {
      (event.target as IDBDatabase).close();
    },
  });
  return new Database(name, db);
}

class Database implements Storage {
  readonly #name: string;
  readonly #db: IDBPDatabase;

  constructor(name: string, db: IDBPDatabase) {
    this.#name = name;
    this.#db = db;
  }

  async read<T>(drawer: Drawer, key: Key): Promise<T | undefined> {
    return (await this.#db.get(drawer, own(key))) as T | undefined;
  }

  async range<T>(drawer: Drawer, from: Key, to: Key, newest = Infinity): Promise<readonly Stored<T>[]> {
    const bounds = IDBKeyRange.bound(own(from), own(to));
    if (newest === Infinity) return this.#all(drawer, bounds);
    const found: Stored<T>[] = [];
    let cursor = await this.#db.transaction(drawer).store.openCursor(bounds, "prev");
    while (cursor !== null && found.length < newest) {
      found.push({ key: cursor.key as Key, value: cursor.value as T });
      cursor = await cursor.continue();
    }
    return found.reverse();
  }

  /** In two requests, however many there are: a cursor asks once for each. */
  async #all<T>(drawer: Drawer, bounds: IDBKeyRange): Promise<readonly Stored<T>[]> {
    const { store } = this.#db.transaction(drawer);
    const [keys, values] = await Promise.all([store.getAllKeys(bounds), store.getAll(bounds)]);
    return keys.map((key, i) => ({ key: key as Key, value: values[i] as T }));
  }

  async write(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const drawers = [...new Set(changes.map((change) => change.drawer))];
    // "strict": what is told to the server as delivered must survive a power cut.
    const transaction = this.#db.transaction(drawers, "readwrite", { durability: "strict" });
    const steps = changes.map((change) => apply(transaction, change));
    try {
      await Promise.all(steps);
    } catch (error) {
      // A value that cannot be stored fails alone: without this, its neighbours would be kept.
      transaction.done.catch(() => undefined);
      transaction.abort();
      throw error;
    }
    await transaction.done;
  }

  async wipe(): Promise<void> {
    this.#db.close();
    await deleteDB(this.#name);
  }
}

type Transaction = IDBPTransaction<unknown, Drawer[], "readwrite">;

async function apply(transaction: Transaction, change: Change): Promise<void> {
  const store = transaction.objectStore(change.drawer);
  if ("put" in change) await store.put(change.put, own(change.key));
  else if ("clear" in change) await store.clear();
  else if ("from" in change) await store.delete(IDBKeyRange.bound(own(change.from), own(change.to)));
  else await store.delete(own(change.key));
}

/** IndexedDB wants arrays it may keep. */
function own(key: Key): IDBValidKey {
  return typeof key === "string" ? key : [...key];
}
