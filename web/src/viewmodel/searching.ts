/** (4) and (5) Looking for words: over all conversations, and in the one on the screen. Fetched when somebody looks. */

import type { Facts } from "../model/facts.ts";
import { wordsOf } from "../model/folding.ts";
import type { Home } from "../model/home.ts";
import { excerpt, marked } from "../model/marking.ts";
import { Search, type Line } from "../model/search.ts";
import { titleOf } from "./inbox.ts";
import { Observable } from "./observable.ts";
import { personIn, personOf } from "./presenting.ts";
import type { FindingModel, FindingState, FoundRow, SearchModel, SearchState, Sought } from "./types.ts";

export { marked };

const SHORTEST = 2; // letters: one alone is in every message
const ROWS = 100;
const CALM = 200; // milliseconds in which keys and changes are taken together
const STRIDE = 200; // entries that `further` fetches at once

/** Words that are worth looking for, or none. */
function worth(query: string): readonly string[] {
  const words = wordsOf(query);
  return words.some((word) => word.length >= SHORTEST) ? words : [];
}

/** Runs the newest look alone: the one before is broken off. */
class Looking {
  readonly search: Search;
  readonly #home: Home;
  readonly #stop: () => void;
  #going: AbortController | null = null;
  #due: (() => void) | null = null;

  constructor(home: Home, concerns: (conversation: string) => boolean, look: () => void) {
    this.#home = home;
    this.search = new Search(home.log, home.ground.changes);
    this.#stop = home.ground.changes.watch((changed) => {
      if (changed.what === "conversation" && concerns(changed.conversation)) this.soon(look);
    });
  }

  soon(look: () => void): void {
    this.#due?.();
    this.#due = this.#home.ground.platform.clock.after(CALM, () => {
      this.#due = null;
      look();
    });
  }

  /** What the work returns, or null when something newer has begun. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    this.#going?.abort();
    const going = new AbortController();
    this.#going = going;
    try {
      const result = await work(going.signal);
      return going.signal.aborted ? null : result;
    } catch (error) {
      if (going.signal.aborted) return null;
      throw error;
    }
  }

  dispose(): void {
    this.#stop();
    this.#due?.();
    this.#going?.abort();
    this.search.dispose();
  }
}

const NOTHING: SearchState = { query: "", busy: false, rows: [], count: null, looked: 0, partial: false };

export class Searching implements SearchModel {
  readonly state = new Observable<SearchState>(NOTHING);
  readonly #home: Home;
  readonly #looking: Looking;

  constructor(home: Home) {
    this.#home = home;
    this.#looking = new Looking(home, () => this.state.value.count !== null, this.#look);
  }

  search(query: string): void {
    if (query === this.state.value.query) return;
    if (worth(query).length === 0) this.state.set({ ...NOTHING, query });
    else this.state.patch({ query, busy: true });
    this.#looking.soon(this.#look);
  }

  dispose(): void {
    this.#looking.dispose();
  }

  readonly #look = (): void => {
    void this.#looking
      .run((signal) => this.#all(worth(this.state.value.query), signal))
      .then(
        (found) => {
          if (found !== null) this.state.patch({ ...found, busy: false });
        },
        () => {
          this.state.patch({ busy: false });
        },
      );
  };

  async #all(words: readonly string[], signal: AbortSignal): Promise<Omit<SearchState, "query" | "busy">> {
    if (words.length === 0) return { rows: [], count: null, looked: 0, partial: false };
    const found: { readonly facts: Facts; readonly line: Line }[] = [];
    let looked = 0;
    let partial = (await this.#home.log.cursor()) === null;
    for (const facts of await this.#home.log.all()) {
      const one = await this.#looking.search.within(facts, words, signal);
      looked += one.looked;
      partial ||= one.partial;
      found.push(...one.lines.map((line) => ({ facts, line })));
    }
    found.sort((a, b) => b.line.at - a.line.at);
    return { rows: found.slice(0, ROWS).map((one) => this.#row(one, words)), count: found.length, looked, partial };
  }

  #row({ facts, line }: { readonly facts: Facts; readonly line: Line }, words: readonly string[]): FoundRow {
    const me = this.#home.account;
    return {
      conversation: facts.conversation,
      message: line.id,
      title: titleOf(facts.people.map((person) => personOf(person, me))),
      subject: facts.subject,
      author: personIn(facts, line.author, me)?.name ?? "",
      at: line.at,
      excerpt: excerpt(line.text, words),
    };
  }
}

const UNSOUGHT: FindingState = { query: "", words: [], busy: false, count: null, at: 0, shown: null, looked: 0, partial: false };

export class Finding implements FindingModel {
  readonly state = new Observable<FindingState>(UNSOUGHT);
  readonly #home: Home;
  readonly #id: string;
  readonly #reach: (seq: number) => Promise<void>;
  readonly #looking: Looking;
  #facts: Facts | null = null;
  #lines: readonly Line[] = [];
  /** The message to stay at, or to begin with. */
  #wanted: string | null = null;

  /** `reach`: make the conversation show its entries down to this place. */
  constructor(home: Home, id: string, reach: (seq: number) => Promise<void>) {
    this.#home = home;
    this.#id = id;
    this.#reach = reach;
    this.#looking = new Looking(home, (changed) => changed === id && this.state.value.count !== null, this.#look);
  }

  search(query: string): void {
    if (query === this.state.value.query) return;
    this.#wanted = null;
    this.#begin(query);
    this.#looking.soon(this.#look);
  }

  seek({ query, message }: Sought): void {
    this.#wanted = message;
    this.#begin(query);
    this.#look();
  }

  older(): void {
    this.#step(1);
  }

  newer(): void {
    this.#step(-1);
  }

  async further(): Promise<void> {
    if (this.state.value.busy) return;
    this.state.patch({ busy: true });
    await this.#home.log.older(this.#id, STRIDE).catch(() => false);
    this.#look();
  }

  dispose(): void {
    this.#looking.dispose();
  }

  #begin(query: string): void {
    const words = worth(query);
    this.state.set(words.length === 0 ? { ...UNSOUGHT, query } : { ...this.state.value, query, words, busy: true });
  }

  #step(by: number): void {
    const count = this.#lines.length;
    if (count === 0) return;
    void this.#show((((this.state.value.at - 1 + by) % count) + count) % count);
  }

  readonly #look = (): void => {
    const { words } = this.state.value;
    void this.#looking
      .run(async (signal) => {
        const facts = await this.#home.log.facts(this.#id);
        return facts === undefined || words.length === 0 ? null : { facts, found: await this.#looking.search.within(facts, words, signal) };
      })
      .then(
        async (done) => {
          if (done === null) return;
          this.#facts = done.facts;
          this.#lines = done.found.lines;
          const kept = this.#lines.findIndex(({ id }) => id === this.#wanted);
          this.state.patch({ looked: done.found.looked, partial: done.found.partial, count: this.#lines.length });
          await this.#show(Math.max(0, kept), this.state.value.shown);
        },
        () => {
          this.state.patch({ busy: false });
        },
      );
  };

  /** `before`: when it is still the same message, nothing is brought into sight again. */
  async #show(index: number, before: FindingState["shown"] = null): Promise<void> {
    const line = this.#lines[index];
    if (line === undefined) {
      this.state.patch({ busy: false, at: 0, shown: null });
      return;
    }
    this.#wanted = line.id;
    await this.#reach(line.seq);
    if (this.#wanted !== line.id) return; // another one was asked for meanwhile
    this.state.patch({ busy: false, at: index + 1, shown: before?.message === line.id ? before : this.#shown(line) });
  }

  #shown({ id, author, at }: Line): FindingState["shown"] {
    const name = this.#facts === null ? "" : (personIn(this.#facts, author, this.#home.account)?.name ?? "");
    return { message: id, author: name, at };
  }
}
