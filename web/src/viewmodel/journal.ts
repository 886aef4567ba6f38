/** (7) The access journal: who could read, loaded, read and received what, newest first. */

import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import type { Journal, JournalEntry } from "../model/journal.ts";
import { Observable } from "./observable.ts";
import { phrase, problemOf } from "./presenting.ts";
import type { AccessRow, JournalModel, JournalState } from "./types.ts";

const PAGE = 50; // entries

export class AccessJournal implements JournalModel {
  readonly state = new Observable<JournalState>({ loading: true, rows: [], more: false, problem: null });
  readonly #home: Home;
  readonly #journal: Journal;

  constructor(home: Home) {
    this.#home = home;
    this.#journal = home.journal();
    this.retry();
  }

  older(): Promise<void> {
    return this.#show(() => this.#journal.older(PAGE), this.state.value.rows);
  }

  retry(): void {
    void this.#show(() => this.#journal.newest(PAGE), []);
  }

  dispose(): void {
    // Nothing is followed: the journal is read when it is looked at.
  }

  async #show(read: () => Promise<readonly JournalEntry[]>, shown: readonly AccessRow[]): Promise<void> {
    this.state.patch({ loading: true, problem: null });
    try {
      const [entries, all] = await Promise.all([read(), this.#home.log.all()]);
      const rows = [...entries].reverse().map((entry) => accessRow(entry, all));
      this.state.patch({ loading: false, rows: [...shown, ...rows], more: this.#journal.more });
    } catch (error) {
      this.state.patch({ loading: false, problem: problemOf(error) });
    }
  }
}

function accessRow({ position, kind, at, who, conversation }: JournalEntry, all: readonly Facts[]): AccessRow {
  const name = all.flatMap(({ people }) => people).find((person) => person.id === who && person.name !== "")?.name ?? who.slice(0, 8);
  const subject = all.find((facts) => facts.conversation === conversation)?.subject ?? "";
  return { id: String(position), at, what: phrase(`access.${kind}`, { name }), subject };
}
