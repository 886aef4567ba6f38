/** The own access journal: every page is followed from entry to entry, and what was seen once stays seen. */

import type { Api } from "../api/client.ts";
import type { JournalEntry, JournalPage } from "../api/types.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { EMPTY, follow, type Head } from "../protocol/journal.ts";
import type { AccountId } from "../protocol/suite.ts";
import type { Vault } from "./vault.ts";

const PINNED = "journal";
const PAGE = 200; // entries

export type { JournalEntry } from "../api/types.ts";

export type JournalParts = { readonly api: Api; readonly vault: Vault; readonly me: AccountId };

export class Journal {
  readonly #parts: JournalParts;
  #oldest: Head | null = null;
  #first = 1;

  constructor(parts: JournalParts) {
    this.#parts = parts;
  }

  /** The newest entries, ascending. @throws ProtocolError `rollback`, `fork`, `not_next` */
  async newest(count: number): Promise<readonly JournalEntry[]> {
    const { vault } = this.#parts;
    const pinned = await this.#followed((await vault.read<Head>("own", PINNED)) ?? null);
    await vault.keep("own", PINNED, pinned);
    this.#oldest = pinned;
    return this.older(count);
  }

  /** The entries before those that were shown, ascending; they must lead to them. */
  async older(count: number): Promise<readonly JournalEntry[]> {
    const { api, me } = this.#parts;
    const end = this.#oldest;
    if (end === null || end.position < this.#first) return [];
    const { entries } = await api.journal({ before: end.position + 1 }, Math.min(count, PAGE));
    const [oldest] = entries;
    if (oldest === undefined) throw new ProtocolError("not_next", "an entry of the journal is missing");
    const start = { position: oldest.position - 1, hash: oldest.previous };
    const reached = await follow(me, start, entries);
    if (reached.position !== end.position || reached.hash !== end.hash) throw new ProtocolError("fork", "the journal has another past");
    this.#oldest = start;
    return entries;
  }

  get more(): boolean {
    return this.#oldest !== null && this.#oldest.position >= this.#first;
  }

  /** From what was known to the newest. What retention has removed meanwhile is named by the first that is kept. */
  async #followed(pinned: Head | null): Promise<Head> {
    const { api, me } = this.#parts;
    let known = pinned;
    for (;;) {
      const page = await api.journal({ after: known?.position ?? 0 }, PAGE);
      this.#first = page.first;
      known = await follow(me, startOf(page, known), page.entries);
      if (page.last < known.position) throw new ProtocolError("rollback", "the journal has lost its end");
      if (page.last > known.position && page.entries.length === 0) throw new ProtocolError("not_next", "an entry of the journal is missing");
      if (page.last > known.position) continue;
      if (page.head !== known.hash) throw new ProtocolError("fork", "the journal has another past");
      return known;
    }
  }
}

function startOf({ entries: [oldest], first, last, head }: JournalPage, known: Head | null): Head {
  if (known !== null && known.position >= first - 1) return known;
  if (oldest !== undefined) return { position: first - 1, hash: oldest.previous };
  return last === 0 ? EMPTY : { position: last, hash: head };
}
