/** What this device remembers of reminders: whether it may say them outside, and which it has said and shown. */

import type { Vault } from "./vault.ts";

const KEY = "reminders";

type Kept = {
  /** Null: the person has not been asked. */
  readonly on: boolean | null;
  /** By key of the reminder, each with the start of its appointment: forgotten after it. */
  readonly said: Readonly<Record<string, number>>;
  readonly seen: Readonly<Record<string, number>>;
};
const NOTHING: Kept = { on: null, said: {}, seen: {} };

export class ReminderMemory {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  async read(): Promise<Kept> {
    return (await this.#vault.read<Kept>("own", KEY)) ?? NOTHING;
  }

  async turn(on: boolean): Promise<void> {
    await this.#vault.keep("own", KEY, { ...(await this.read()), on });
  }

  /** Remember that these were said outside, or seen; what began before `now` is forgotten. Call while alone. */
  async note(what: "said" | "seen", found: Readonly<Record<string, number>>, now: number): Promise<void> {
    const kept = await this.read();
    const fresh = Object.entries({ ...kept[what], ...found }).filter(([, start]) => start > now);
    await this.#vault.keep("own", KEY, { ...kept, [what]: Object.fromEntries(fresh) });
  }
}
