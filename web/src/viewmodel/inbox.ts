/** (4) The list of conversations. */

import type { Facts } from "../model/facts.ts";
import { fold, wordsOf } from "../model/folding.ts";
import type { Home } from "../model/home.ts";
import { arrivalOf, failureOf } from "./delivery.ts";
import { Observable } from "./observable.ts";
import { alarmOf, isProfessional, personIn, personOf, phrase, problemOf, replyRightOf, stranger } from "./presenting.ts";
import type { InboxFilter, InboxModel, InboxRow, InboxState, Person } from "./types.ts";

const SHOWN = 100; // rows at first, and more at each `more()`
const CALM = 50; // milliseconds in which changes are taken together

export class Inbox implements InboxModel {
  readonly state: Observable<InboxState>;
  readonly #home: Home;
  readonly #stop: () => void;
  #rows: readonly InboxRow[] = [];
  #limit = SHOWN;
  #due: (() => void) | null = null;

  constructor(home: Home) {
    this.#home = home;
    this.state = new Observable<InboxState>({
      role: home.professional ? "professional" : "patient",
      rows: [],
      counts: { all: 0, unread: 0, waiting: 0, ended: 0 },
      filter: "all",
      search: "",
      loading: true,
      hasMore: false,
      problem: null,
    });
    this.#stop = home.ground.changes.watch((changed) => {
      if (changed.what === "conversation" || changed.what === "account" || changed.what === "list") this.#soon();
    });
    void this.#load();
  }

  search(text: string): void {
    this.state.patch({ search: text });
    this.#show();
  }

  filter(by: InboxFilter): void {
    this.state.patch({ filter: by });
    this.#show();
  }

  more(): Promise<void> {
    this.#limit += SHOWN;
    this.#show();
    return Promise.resolve();
  }

  retry(): void {
    void this.#load();
  }

  dispose(): void {
    this.#stop();
    this.#due?.();
  }

  #soon(): void {
    this.#due ??= this.#home.ground.platform.clock.after(CALM, () => {
      this.#due = null;
      void this.#load();
    });
  }

  async #load(): Promise<void> {
    try {
      const all = await this.#home.log.all();
      const started = (await this.#home.log.cursor()) !== null;
      const now = this.#home.now();
      this.#rows = [...all]
        .sort((a, b) => b.lastAt - a.lastAt)
        .map((facts) => inboxRow(facts, this.#home.account, now));
      this.state.patch({ loading: !started && all.length === 0, problem: null });
      this.#show();
    } catch (error) {
      this.state.patch({ loading: false, problem: problemOf(error) });
    }
  }

  #show(): void {
    const { filter, search } = this.state.value;
    const found = this.#rows.filter((row) => matches(row, search));
    const shown = found.filter((row) => isIn(row, filter));
    this.state.patch({
      rows: shown.slice(0, this.#limit),
      hasMore: shown.length > this.#limit,
      counts: {
        all: found.length,
        unread: found.filter((row) => isIn(row, "unread")).length,
        waiting: found.filter((row) => isIn(row, "waiting")).length,
        ended: found.filter((row) => isIn(row, "ended")).length,
      },
    });
  }
}

export function inboxRow(facts: Facts, me: string, now: number): InboxRow {
  const people = facts.people.map((person) => personOf(person, me));
  return {
    conversation: facts.conversation,
    title: titleOf(people),
    others: Math.max(0, people.filter((person) => !person.me && person.standing !== "left").length - 1),
    subject: facts.subject,
    at: facts.lastAt,
    preview: previewOf(facts, me),
    unread: facts.unread,
    reply: replyRightOf(facts, now, me),
    state: myState(facts, me),
    invitation: invitationOf(facts, now),
    alarm: alarmOf(facts),
  };
}

/** A professional looks for the patient, a patient for the professional. */
export function titleOf(people: readonly Person[]): Person {
  const me = people.find((person) => person.me) ?? null;
  const others = people.filter((person) => !person.me && person.standing !== "left");
  const wanted = isProfessional(me) ? "patient" : "owner";
  return others.find(({ role }) => role === wanted) ?? others[0] ?? me ?? stranger("");
}

function previewOf({ newest, people }: Facts, me: string): InboxRow["preview"] {
  if (newest === null) return phrase("preview.empty");
  const by = people.find(({ id }) => id === newest.author)?.name ?? me;
  switch (newest.what) {
    case "text":
      return { text: newest.text };
    case "documents":
      return phrase("preview.document", { count: newest.documents });
    case "ended":
      return phrase("preview.ended", { by });
    case "retracted":
      return phrase("preview.retracted", { by });
    case "appointment":
      return phrase("preview.appointment");
    case "unreadable":
      return phrase("preview.unreadable");
  }
}

function myState(facts: Facts, me: string): InboxRow["state"] {
  const { mine } = facts;
  if (mine === null) return null;
  const bridges = new Map(Object.entries(facts.mails ?? {}).flatMap(([bridge, states]) => (bridge === me ? [] : [[bridge, states[mine.id]]])));
  const readers = Object.entries(facts.reads).filter(([account, { seq }]) => account !== me && seq >= mine.seq);
  const carried = { bridges, readers: new Set(readers.map(([account]) => account)) };
  const failed = failureOf(carried);
  if (failed !== null) return failed;
  if (readers.length > 0) {
    return { name: "read", by: readers.map(([id, { at }]) => ({ who: personIn(facts, id, me) ?? stranger(id), at })) };
  }
  const at = Object.entries(facts.delivered).filter(([account, seq]) => account !== me && seq >= mine.seq);
  return arrivalOf(at.map(([account]) => account), carried);
}

export function invitationOf(facts: Facts, now: number): "open" | "expired" | null {
  const open = facts.people.find(({ standing }) => standing === "invited");
  if (open === undefined) return null;
  const row = facts.invitations.find(({ member }) => member === open.id);
  return row !== undefined && row.expires <= now ? "expired" : "open";
}

/** "waiting": my message is there and nobody has read it yet. */
function isIn(row: InboxRow, filter: InboxFilter): boolean {
  switch (filter) {
    case "all":
      return true;
    case "unread":
      return row.unread > 0;
    case "waiting":
      return row.state !== null && row.state.name !== "read";
    case "ended":
      return row.reply.name === "ended";
  }
}

function matches(row: InboxRow, search: string): boolean {
  const words = wordsOf(search);
  const text = fold([row.title.name, row.subject, "text" in row.preview ? row.preview.text : ""].join(" "));
  return words.every((word) => text.includes(word));
}
