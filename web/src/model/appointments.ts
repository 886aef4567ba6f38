/**
 * The acts about appointments in one conversation, read from the log on this device; what an act names and is not here
 * is fetched. The state they make is computed by `protocol/appointment_state.ts`.
 */

import { bookOf, type Book, type SaidAct } from "../protocol/appointment_state.ts";
import type { ConversationId, HolderId } from "../protocol/suite.ts";
import type { Log } from "./log.ts";
import { isEnvelope, type LogEntry } from "./log_entry.ts";

export type { About, ActFields, ActName, Slot } from "../protocol/appointment.ts";
export { dueHere, mayNotify, nextMoment, type Lead, type Reminded } from "../protocol/appointment_reminders.ts";
export { instantsOf } from "../protocol/wall_time.ts";
export { MAX_SLOTS, MINUTE, readAct, writeAct } from "../protocol/appointment.ts";
export type { Appointment, Book, SaidAct, Verdict } from "../protocol/appointment_state.ts";
export { deadlineOf, slotsLeft, standingOf } from "../protocol/appointment_state.ts";

const PORTION = 500; // entries read at once
const FETCHED = 200; // events of history fetched at once
const STEPS = 50; // fetches at most: 10,000 events

export type PlacedAct = SaidAct & { readonly seq: number; readonly device: HolderId };
export type Reading = { readonly acts: readonly PlacedAct[]; readonly book: Book };

export class AppointmentLog {
  readonly #log: Log;
  readonly #id: ConversationId;
  readonly #acts = new Map<number, PlacedAct>();
  /** Entries from `from` to `last` have been looked at. */
  #from = 0;
  #last = 0;
  #fetching = false;

  constructor(log: Log, id: ConversationId) {
    this.#log = log;
    this.#id = id;
  }

  /** All acts that are here, in the order of the log, and what follows from them. */
  async read(): Promise<Reading> {
    await this.#look();
    let reading = this.#reading();
    if (this.#fetching) return reading;
    this.#fetching = true;
    try {
      for (let step = 0; step < STEPS && beginsEarlier(reading); step += 1) {
        if (!(await this.#log.older(this.#id, FETCHED))) break;
        await this.#look();
        reading = this.#reading();
      }
    } finally {
      this.#fetching = false;
    }
    return reading;
  }

  #reading(): Reading {
    const acts = [...this.#acts.values()].sort((one, other) => one.seq - other.seq);
    return { acts, book: bookOf(acts) };
  }

  async #look(): Promise<void> {
    const facts = await this.#log.facts(this.#id);
    if (facts === undefined) return;
    if (this.#last === 0) this.#from = facts.last + 1;
    await this.#between(Math.max(this.#last + 1, facts.from), facts.last);
    await this.#between(facts.from, this.#from - 1);
    this.#from = Math.min(this.#from, facts.from);
    this.#last = Math.max(this.#last, facts.last);
  }

  async #between(first: number, last: number): Promise<void> {
    for (let end = last; end >= first; end -= PORTION) {
      const entries = await this.#log.entries(this.#id, end + 1, Math.min(PORTION, end - first + 1));
      for (const entry of entries) this.#note(entry);
    }
  }

  #note(entry: LogEntry): void {
    if (entry.type === "retracted") this.#acts.delete(entry.target);
    if (!isEnvelope(entry) || entry.retracted) return;
    const { message } = entry;
    if (message?.content.said.type !== "appointment") return;
    const { said, device } = message.content;
    const { seq, at, id, author } = entry;
    this.#acts.set(seq, { seq, at, id, author, device, role: message.author.role, payload: said.payload });
  }
}

function beginsEarlier({ book }: Reading): boolean {
  return [...book.verdicts.values()].includes("unknown");
}
