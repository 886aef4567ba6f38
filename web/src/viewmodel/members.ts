/** The panel "who can read": everybody by name and role; an owner adds and removes. */

import type { Client } from "../model/client.ts";
import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import { Observable } from "./observable.ts";
import { personOf, problemOf } from "./presenting.ts";
import type { MembersModel, MembersState } from "./types.ts";

const PAUSE = 250; // milliseconds after the last letter before the directory is asked

export class Members implements MembersModel {
  readonly state = new Observable<MembersState>({
    people: [],
    query: "",
    found: [],
    searching: false,
    busy: false,
    problem: null,
  });
  readonly #client: Client;
  readonly #home: Home;
  readonly #conversation: string;
  #search: AbortController | null = null;
  #due: (() => void) | null = null;

  constructor(client: Client, home: Home, conversation: string) {
    this.#client = client;
    this.#home = home;
    this.#conversation = conversation;
  }

  show(facts: Facts): void {
    const me = this.#home.account;
    const owner = facts.people.some(({ id, role, standing }) => id === me && role === "owner" && standing === "member");
    const patient = facts.people.some(({ id, role }) => id === me && role === "patient");
    const people = facts.people.map((fact) => ({
      ...personOf(fact, me),
      history: fact.history,
      canRemove: owner && fact.id !== me && fact.role !== "patient" && fact.standing !== "left",
      blocked: patient && fact.profession !== null ? (facts.blocked?.includes(fact.id) ?? false) : null,
    }));
    this.state.patch({ people });
  }

  search(text: string): void {
    this.#due?.();
    this.#search?.abort();
    this.state.patch({ query: text, searching: text.trim().length > 1, problem: null });
    this.#due = this.#home.ground.platform.clock.after(PAUSE, () => {
      void this.#find(text);
    });
  }

  add(account: string, history: "none" | "full"): Promise<void> {
    return this.#try(async () => {
      await this.#home.writing.add(this.#conversation, account, history);
      this.state.patch({ query: "", found: [] });
    });
  }

  remove(member: string): Promise<void> {
    return this.#try(() => this.#home.writing.remove(this.#conversation, member));
  }

  block(account: string): Promise<void> {
    return this.#try(() => this.#home.refuse(this.#conversation, account, true));
  }

  unblock(account: string): Promise<void> {
    return this.#try(() => this.#home.refuse(this.#conversation, account, false));
  }

  dispose(): void {
    this.#due?.();
    this.#search?.abort();
  }

  async #find(text: string): Promise<void> {
    const search = new AbortController();
    this.#search = search;
    try {
      const people = await this.#client.search(text, search.signal);
      const inside = new Set(this.state.value.people.filter(({ standing }) => standing !== "left").map(({ id }) => id));
      if (!search.signal.aborted) this.state.patch({ found: people.filter(({ account }) => !inside.has(account)), searching: false });
    } catch (error) {
      if (!search.signal.aborted) this.state.patch({ found: [], searching: false, problem: problemOf(error) });
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.state.value.busy) return;
    this.state.patch({ busy: true, problem: null });
    try {
      await work();
    } catch (error) {
      this.state.patch({ problem: problemOf(error) });
    } finally {
      this.state.patch({ busy: false });
    }
  }
}
