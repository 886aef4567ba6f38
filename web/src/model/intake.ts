/** Opening and verifying a portion of events, in order. Reads the log, never writes it; says what must be written. */

import type { BlockedEvent, EnvelopeEvent, EpochEvent, Event } from "../api/types.ts";
import type { Conversation } from "../protocol/conversation.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { messageId } from "../protocol/envelope.ts";
import type { EpochRecord } from "../protocol/epoch_record.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { checkMirror } from "../protocol/reply_right.ts";
import type { AccountId, ConversationId, Time } from "../protocol/suite.ts";
import { acceptTrimmed, demandOlder } from "../protocol/trimming.ts";
import type { Accounts } from "./accounts.ts";
import { advanced, floorOf, type Facts, type PersonFact } from "./facts.ts";
import type { AgainEntry, BlockedEntry, EnvelopeEntry, EpochEntry, LogEntry, RetractedEntry, TrimmedEntry } from "./log_entry.ts";
import type { Openings } from "./opening.ts";
import { peopleOf } from "./people.ts";
import { pages, Places } from "./places.ts";
import { plainLine } from "./plain_line.ts";
import type { Vault } from "./vault.ts";

/** Facts after a portion, and the entries to keep (also older ones that changed). */
export type Taken = { readonly facts: Facts; readonly entries: readonly LogEntry[] };

type Step = { readonly taken: Taken; readonly open: Conversation };

export type IntakeParts = {
  readonly vault: Vault;
  readonly accounts: Accounts;
  readonly openings: Openings;
  readonly me: AccountId;
  readonly now: () => Time;
};

export class Intake {
  readonly #parts: IntakeParts;
  readonly #places: Places;

  constructor(parts: IntakeParts) {
    this.#parts = parts;
    this.#places = new Places(parts.vault);
  }

  /** Another tab has written into the log of a conversation. */
  forget(id: ConversationId): void {
    this.#places.forget(id);
  }

  /**
   * Events that follow `facts.last`. Stops at the first thing that must not be accepted, and says so in `alarm`.
   * `whole`: there is nothing after them.
   */
  async news(facts: Facts, conversation: Conversation, events: readonly Event[], whole: boolean): Promise<Taken> {
    let step: Step = { taken: { facts, entries: [] }, open: conversation };
    const followed = facts.last !== 0 && events[0]?.seq === facts.last + 1; // else the policy is newer than the events
    try {
      step = { ...step, taken: await this.#named(step.taken, conversation) };
      for (const event of events.filter(({ seq }) => seq > facts.last)) {
        if (followed && event.type !== "policy") demandMirrored(step.taken.facts);
        step = await this.#step(step, event);
      }
      if (whole) demandWhole(step.taken.facts);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { ...step.taken, facts: { ...step.taken.facts, alarm: error.code } };
    }
    return this.#named(step.taken, step.open);
  }

  /** Events before `facts.from`: opened and checked, but the facts were told already. */
  async history(facts: Facts, conversation: Conversation, events: readonly Event[]): Promise<Taken> {
    const older = events.filter(({ seq }) => seq < facts.from && seq >= floorOf(facts));
    const repeated = await this.#repeated(facts.conversation, older);
    const opened = await Promise.all(older.map((event) => this.#entry(facts, conversation, event)));
    const entries = [...opened, ...repeated];
    if (!entries.some(isBare)) return { facts, entries };
    const retracted = new Set(entries.flatMap((one) => (one.type === "retracted" ? [one.target] : [])));
    for await (const page of pages(this.#parts.vault, facts.conversation)) {
      for (const one of page) if (one.type === "retracted") retracted.add(one.target);
    }
    const explained = entries.map((one) => (isBare(one) && retracted.has(one.seq) ? withoutBytes(one) : one));
    return { facts: { ...facts, bare: [...(facts.bare ?? []), ...explained.filter(isBare).map(({ seq }) => seq)] }, entries: explained };
  }

  async #step({ taken, open }: Step, event: Event): Promise<Step> {
    const { last } = taken.facts;
    if (last !== 0 && event.seq !== last + 1) this.#demandLetIn(open, event);
    if (event.type !== "epoch") return { taken: await this.#one(taken, open, event), open };
    const next = await this.#record(open, event);
    const named = await this.#named(withRecord(taken, event), next);
    return { taken: await this.#one(named, next, event), open: next };
  }

  async #one(taken: Taken, open: Conversation, event: Event): Promise<Taken> {
    const entry = await this.#entry(taken.facts, open, event);
    if (entry.type === "envelope") await this.#demandParents(taken, entry);
    if (entry.type === "trimmed") await this.#demandOver(taken, entry);
    if (entry.type === "policy" && taken.facts.right !== null) checkMirror(taken.facts.right, entry.policy);
    const target = entry.type === "retracted" ? await this.#retracted(taken, entry) : [];
    return { facts: advanced(taken.facts, entry, this.#parts.me), entries: [...taken.entries, ...target, entry] };
  }

  /** Only what is older than its term may be gone, also by what this device has. */
  async #demandOver({ facts, entries }: Taken, entry: TrimmedEntry): Promise<void> {
    const known = facts.trimmed ?? null;
    acceptTrimmed(known, entry, entry, this.#parts.now());
    demandOlder(entry, entries);
    const first = known?.from ?? 1; // before that, it was older than an earlier term
    demandOlder(entry, await this.#parts.vault.range<LogEntry>("events", [facts.conversation, first], [facts.conversation, entry.from - 1]));
  }

  /** Only before the epoch that made this account a member again something may be missing: it was not for it. */
  #demandLetIn({ chain }: Conversation, event: Event): void {
    const record = event.type === "epoch" ? chain.records[event.epoch - 1] : undefined;
    const before = event.type === "epoch" ? chain.records[event.epoch - 2] : undefined;
    const letIn = record !== undefined && before !== undefined && without(record, before).some(({ id }) => id === this.#parts.me);
    if (!letIn) throw new ProtocolError("withheld", "a gap in the log");
  }

  /** Accept the record of an epoch event; one that is known already must be the same. */
  async #record(open: Conversation, event: EpochEvent): Promise<Conversation> {
    const known = open.chain.records[event.epoch - 1];
    if (known === undefined) return this.#parts.openings.extend(open, event);
    if (b64(known.wire) !== event.record) throw new ProtocolError("fork", "another record of a known epoch");
    return open;
  }

  /** People and subject as the newest epoch tells them. */
  async #named({ facts, entries }: Taken, open: Conversation): Promise<Taken> {
    const { epoch } = open.chain.head;
    if (facts.named === epoch) return { facts, entries };
    const people = await peopleOf(open, this.#parts.accounts, facts.people);
    return { facts: { ...facts, people, subject: plainLine(open.roster?.subject ?? facts.subject), named: epoch }, entries };
  }

  async #entry(facts: Facts, open: Conversation, event: Event): Promise<LogEntry> {
    const placed = { seq: event.seq, at: event.at };
    switch (event.type) {
      case "envelope":
        return this.#placed(facts, open, event);
      case "epoch":
        demandPlace(facts, event);
        return epochEntry(facts.people, open, event);
      case "policy":
        return { ...placed, type: "policy", policy: event.policy };
      case "left":
        return { ...placed, type: "left", account: event.account, name: nameOf(facts.people, event.account) };
      case "refused":
        return { ...placed, type: "refused", member: event.member, name: nameOf(facts.people, event.member) };
      case "blocked":
        return blockedEntry(facts.people, event);
      case "trimmed":
        return { ...placed, type: "trimmed", from: event.from, before: event.before };
      case "retracted":
        return { ...placed, type: "retracted", id: event.id, by: event.by, target: event.target_seq };
    }
  }

  /** An envelope at its first place; at a second one it counts for nothing. */
  async #placed(facts: Facts, open: Conversation, event: EnvelopeEvent): Promise<EnvelopeEntry | AgainEntry> {
    const { seq, at, id } = event;
    const first = (await this.#places.of(facts.conversation)).get(id);
    if (first?.counts === true && first.seq < seq) return { seq, at, type: "again", id };
    const entry = await this.#envelope(facts, open, event);
    await this.#places.note(facts.conversation, entry);
    return entry;
  }

  /** What stands here already, and now turns out to have stood before. */
  async #repeated(conversation: ConversationId, older: readonly Event[]): Promise<readonly AgainEntry[]> {
    const places = await this.#places.of(conversation);
    const later = older.flatMap((event) => {
      const known = event.type === "envelope" ? places.get(event.id) : undefined;
      return known?.counts === true && known.seq > event.seq ? [known.seq] : [];
    });
    const kept = await Promise.all(later.map((seq) => this.#parts.vault.read<LogEntry>("events", [conversation, seq])));
    return kept.flatMap((entry) => (entry?.type === "envelope" ? [{ seq: entry.seq, at: entry.at, type: "again", id: entry.id }] : []));
  }

  async #envelope(facts: Facts, open: Conversation, event: EnvelopeEvent): Promise<EnvelopeEntry> {
    const { seq, at, id, kind, author, epoch } = event;
    const closed = { seq, at, type: "envelope", id, kind, author, epoch, message: null } as const;
    if (event.envelope === null) return { ...closed, code: null, retracted: false, trimmed: true };
    if (!open.keys.has(epoch) && open.chain.records.length >= epoch) return { ...closed, code: "before_joining", retracted: false };
    try {
      const bytes = unb64(event.envelope);
      if ((await messageId(bytes)) !== id) throw new ProtocolError("bad_format", "another envelope under this id");
      const newest = epochAt(facts, seq);
      const message = await this.#parts.openings.message(open, { bytes, kind, newest });
      if (message.content.author !== author) throw new ProtocolError("bad_device", "the server names another author");
      return { ...closed, message, code: null, retracted: false };
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.alarm) throw error;
      return { ...closed, code: error.code, retracted: false };
    }
  }

  /** A message names what its author had seen: when all before it is here, a parent that is not here was withheld. */
  async #demandParents(taken: Taken, entry: EnvelopeEntry): Promise<void> {
    const { facts } = taken;
    // Who joined, or came back, without the history has no whole past to look through.
    const first = facts.from === 0 ? entry.seq : facts.from; // nothing is here yet: a page may begin anywhere
    const sees = first <= 1 && facts.people.some(({ id, history }) => id === this.#parts.me && history === "full");
    if (!sees) return;
    const places = await this.#places.of(facts.conversation);
    const missing = entry.message?.content.parents.some((parent) => !places.has(parent)) ?? false;
    if (missing) throw new ProtocolError("withheld", "a message named by another is missing");
  }

  /** What was retracted is wiped here too; that it was there stays visible. */
  async #retracted({ facts, entries }: Taken, entry: RetractedEntry): Promise<readonly LogEntry[]> {
    const kept =
      entries.find((one) => one.seq === entry.target) ??
      (await this.#parts.vault.read<LogEntry>("events", [facts.conversation, entry.target]));
    return kept?.type === "envelope" ? [withoutBytes(kept)] : [];
  }
}

/** The server writes what it mirrors right behind the message that decided it. */
function demandMirrored({ right, policy }: Facts): void {
  if (right !== null) checkMirror(right, policy);
}

/** Everything is here: so is the reason of each place without bytes. */
function demandWhole(facts: Facts): void {
  demandMirrored(facts);
  if ((facts.bare ?? []).length > 0) throw new ProtocolError("withheld", "a place without its message");
}

function isBare(entry: LogEntry): entry is EnvelopeEntry {
  return entry.type === "envelope" && entry.trimmed === true;
}

/** What was taken back: that it was there stays. */
function withoutBytes(entry: EnvelopeEntry): EnvelopeEntry {
  return { ...entry, message: null, code: null, retracted: true, trimmed: false };
}

function withRecord({ facts, entries }: Taken, event: EpochEvent): Taken {
  if (facts.records.length >= event.epoch) return { facts, entries };
  const { record, box, seq } = event;
  return { facts: { ...facts, records: [...facts.records, { record, box, seq }] }, entries };
}

function epochEntry(people: readonly PersonFact[], open: Conversation, event: EpochEvent): EpochEntry {
  const record = open.chain.records[event.epoch - 1];
  const before = open.chain.records[event.epoch - 2];
  if (record === undefined) throw new ProtocolError("unknown_epoch", "no record of this epoch");
  return {
    seq: event.seq,
    at: event.at,
    type: "epoch",
    epoch: event.epoch,
    author: record.author,
    reason: record.reason,
    added: without(record, before).map(({ id, history }) => ({ id, name: nameOf(people, id), history })),
    removed: before === undefined ? [] : without(before, record).map(({ id }) => ({ id, name: nameOf(people, id) })),
  };
}

/** An epoch begins at one place. */
function demandPlace({ records }: Facts, { epoch, seq }: EpochEvent): void {
  const known = records[epoch - 1];
  if (known !== undefined && known.seq !== seq) throw new ProtocolError("fork", "an epoch that begins at a second place");
}

/** Members of `one` that are not in `other`. */
function without(one: EpochRecord, other: EpochRecord | undefined): EpochRecord["members"] {
  const known = new Set(other?.members.map(({ id }) => id));
  return one.members.filter(({ id }) => !known.has(id));
}

function blockedEntry(people: readonly PersonFact[], event: BlockedEvent): BlockedEntry {
  const { seq, at, patient, professional, blocked } = event;
  return { seq, at, type: "blocked", professional, by: nameOf(people, patient), name: nameOf(people, professional), blocked };
}

/** The epoch in force when the server gave out `seq`. */
function epochAt(facts: Facts, seq: number): number {
  return facts.records.findLastIndex((record) => record.seq < seq) + 1;
}

function nameOf(people: readonly PersonFact[], id: string): string {
  return people.find((person) => person.id === id)?.name ?? "";
}
