/**
 * What is known of a conversation without opening its log: enough for the list, for the next message and to find gaps.
 * Every function is pure: facts and an entry in, facts out.
 */

import type { InvitationRow, Policy } from "../api/types.ts";
import type { AccountId, B64, ConversationId, MemberId, MessageId, Time } from "../protocol/suite.ts";
import { replyRight, type ReplyRight } from "../protocol/reply_right.ts";
import type { Trimmed } from "../protocol/trimming.ts";
import { mailsAfter, type Mails } from "./mails.ts";
import type { BlockedEntry, EnvelopeEntry, EpochEntry, LogEntry, RetractedEntry, TrimmedEntry } from "./log_entry.ts";

const RECENT = 64;
const PREVIEW = 160; // characters

export type Role = "owner" | "professional" | "member" | "patient" | "delegate" | "service";

/** A member as this device knows it. `verified`: the certificate was checked here. */
export type PersonFact = {
  readonly id: MemberId;
  readonly kind: "user" | "practice" | "service" | "invite";
  readonly name: string;
  readonly role: Role;
  readonly history: "none" | "partial" | "full";
  readonly profession: string | null;
  readonly identifier: string | null;
  readonly verified: boolean;
  readonly standing: "member" | "invited" | "left";
};

export type Newest = {
  readonly author: AccountId;
  readonly what: "text" | "documents" | "appointment" | "ended" | "retracted" | "unreadable";
  readonly text: string;
  readonly documents: number;
};

export type KeptRecord = { readonly record: B64; readonly box: B64 | null; readonly seq: number };

export type Facts = {
  readonly conversation: ConversationId;
  /** Records and my boxes by epoch, from 1, with the place of each in the log: the pinned history of who is in. */
  readonly records: readonly KeptRecord[];
  readonly invitations: readonly InvitationRow[];
  readonly subject: string;
  /** Of all epochs: who left stays known by name. */
  readonly people: readonly PersonFact[];
  /** The epoch that `subject` and `people` were taken from. */
  readonly named: number;
  /** The log on this device is complete from `from` to `last`; 0: nothing yet. */
  readonly from: number;
  readonly last: number;
  readonly lastAt: Time;
  /** There is nothing before `from` (that this account may see). */
  readonly complete: boolean;
  /** Newest envelopes that no other one names: the parents of the next. In order of seq. */
  readonly heads: readonly MessageId[];
  /** `theirs`: a message by somebody else that was not retracted, which one may have to read. */
  readonly recent: readonly { readonly id: MessageId; readonly seq: number; readonly theirs: boolean }[];
  /** What the server says of the reply right, and what the signed messages say (null: not seen yet). */
  readonly policy: Policy;
  readonly right: ReplyRight | null;
  readonly delivered: Readonly<Record<AccountId, number>>;
  readonly readSeq: number;
  readonly unread: number;
  /** Newest thing worth a line in the list. */
  readonly newest: Newest | null;
  /** My newest message, when nobody wrote after it. */
  readonly mine: { readonly id: MessageId; readonly seq: number } | null;
  /** Who has left of their own accord. */
  readonly departed?: readonly AccountId[];
  /** Professionals from whom the patient takes nothing, as the server says. */
  readonly blocked?: readonly AccountId[];
  /** How far each member's receipts reach, and since when. */
  readonly reads: Readonly<Record<AccountId, { readonly seq: number; readonly at: Time }>>;
  /** Of each bridge: what became of recent messages as mail. A bridge that said nothing of any is here too. */
  readonly mails?: Mails;
  /** Something here lies or is broken: nothing more is taken in or sent until a person has looked. */
  readonly alarm: string | null;
  /** Where the log of the server begins, when no longer at its beginning. */
  readonly trimmed?: Trimmed | null;
  /** Places that came without bytes, and nothing yet says why: an alarm when everything is here. */
  readonly bare?: readonly number[];
};

/** Facts after one more entry. `me`: the own account. */
export function advanced(facts: Facts, entry: LogEntry, me: AccountId): Facts {
  const next = reaching(facts, entry);
  switch (entry.type) {
    case "envelope":
      return withEnvelope(next, entry, me);
    case "policy":
      return { ...next, policy: entry.policy };
    case "retracted":
      return withRetracted(next, entry);
    case "left":
      return withGone(next, entry.account);
    case "refused":
      return withGone(next, entry.member);
    case "blocked":
      return withBlocked(next, entry);
    case "epoch":
      return withComing(next, entry);
    case "trimmed":
      return withTrimmed({ ...next, lastAt: facts.lastAt }, entry);
    case "again":
      return { ...next, lastAt: facts.lastAt };
  }
}

/** Nothing that anybody did. What lies before has its reason now. */
function withTrimmed(facts: Facts, { from, before }: TrimmedEntry): Facts {
  return { ...facts, trimmed: { from, before }, bare: (facts.bare ?? []).filter((seq) => seq >= from) };
}

/** Before this place the server has nothing to read. */
export function floorOf({ trimmed }: Facts): number {
  return trimmed?.from ?? 1;
}

function reaching(facts: Facts, { seq, at }: LogEntry): Facts {
  return { ...facts, from: facts.from === 0 ? seq : facts.from, last: seq, lastAt: at };
}

/** Who comes back is here again. */
function withComing(facts: Facts, { added }: EpochEntry): Facts {
  const ids = new Set(added.map(({ id }) => id));
  const people = facts.people.map((person): PersonFact => {
    if (!ids.has(person.id) || person.standing !== "left") return person;
    return { ...person, standing: person.kind === "invite" ? "invited" : "member" };
  });
  return { ...facts, people, departed: (facts.departed ?? []).filter((id) => !ids.has(id)) };
}

/** Of their own accord: they left, or refused the invitation. */
function withGone(facts: Facts, id: MemberId): Facts {
  return { ...facts, people: standing(facts.people, id), departed: [...(facts.departed ?? []), id] };
}

function withEnvelope(facts: Facts, entry: EnvelopeEntry, me: AccountId): Facts {
  if (entry.trimmed === true) return withBare(facts, entry);
  const named = new Set(entry.message?.content.parents ?? []);
  const known: Facts = {
    ...facts,
    heads: [...facts.heads.filter((id) => !named.has(id)), entry.id].slice(-RECENT),
    recent: [...facts.recent, { id: entry.id, seq: entry.seq, theirs: isTheirs(entry, me) }].slice(-RECENT),
    right: rightAfter(facts.right, entry),
    mails: mailsAfter(facts.mails, facts.recent, entry),
  };
  if (entry.kind === "receipt") return withReceipt(known, entry, me);
  const mine = entry.author === me;
  return {
    ...known,
    newest: newestOf(entry) ?? known.newest,
    mine: mine && entry.kind === "message" ? { id: entry.id, seq: entry.seq } : null,
    unread: known.unread + (isTheirs(entry, me) && entry.seq > known.readSeq ? 1 : 0),
  };
}

/** It was never seen here: nothing follows from it, but that the reply right may be another now. */
function withBare(facts: Facts, entry: EnvelopeEntry): Facts {
  const recent = [...facts.recent, { id: entry.id, seq: entry.seq, theirs: false }].slice(-RECENT);
  const bare = entry.seq < floorOf(facts) ? [] : [entry.seq];
  return { ...facts, recent, right: rightAfter(facts.right, entry), bare: [...(facts.bare ?? []), ...bare] };
}

function isTheirs(entry: EnvelopeEntry, me: AccountId): boolean {
  return entry.kind === "message" && entry.author !== me && !entry.retracted;
}

function withReceipt(facts: Facts, entry: EnvelopeEntry, me: AccountId): Facts {
  const content = entry.message?.content;
  if (content?.said.type !== "receipt") return facts;
  const { upto } = content.said.payload;
  const seq = facts.recent.find(({ id }) => id === upto)?.seq;
  if (seq === undefined) return facts;
  const before = facts.reads[entry.author]?.seq ?? 0;
  const reads = seq > before ? { ...facts.reads, [entry.author]: { seq, at: content.at } } : facts.reads;
  return entry.author === me ? read({ ...facts, reads }, seq) : { ...facts, reads };
}

/** I have read up to `seq` (here or on another device of mine). */
export function read(facts: Facts, seq: number): Facts {
  if (seq <= facts.readSeq) return facts;
  const after = facts.recent.filter((one) => one.theirs && one.seq > seq).length;
  // Exact when `recent` reaches back that far; before that only the server has counted.
  const counted = facts.recent.length < RECENT || (facts.recent[0]?.seq ?? 0) <= seq || after === 0;
  return { ...facts, readSeq: seq, unread: counted ? after : facts.unread };
}

function withoutBare({ bare }: Facts, seq: number): readonly number[] {
  return (bare ?? []).filter((one) => one !== seq);
}

function withRetracted(facts: Facts, { id, by, target }: RetractedEntry): Facts {
  const wasNewest = facts.mine?.id === id || facts.recent.at(-1)?.id === id;
  const seq = facts.recent.find((one) => one.id === id)?.seq ?? 0;
  return {
    ...facts,
    newest: wasNewest ? { author: by, what: "retracted", text: "", documents: 0 } : facts.newest,
    mine: facts.mine?.id === id ? null : facts.mine,
    recent: facts.recent.map((one) => (one.id === id ? { ...one, theirs: false } : one)),
    unread: seq > facts.readSeq ? Math.max(0, facts.unread - 1) : facts.unread,
    bare: withoutBare(facts, target),
  };
}

function newestOf(entry: EnvelopeEntry): Newest | null {
  const nothing = { author: entry.author, text: "", documents: 0 };
  if (entry.retracted) return { ...nothing, what: "retracted" };
  const said = entry.message?.content.said;
  if (said === undefined) return { ...nothing, what: "unreadable" };
  if (said.type === "end") return { ...nothing, what: "ended" };
  if (said.type === "appointment") return { ...nothing, what: "appointment" };
  if (said.type !== "text") return null;
  const text = said.payload.text.replace(/\s+/g, " ").trim().slice(0, PREVIEW);
  const documents = said.payload.attachments.length;
  return { ...nothing, text, documents, what: text === "" && documents > 0 ? "documents" : "text" };
}

/** Only a professional's word changes it (docs/spec/protocol.md 7.5). */
function rightAfter(before: ReplyRight | null, { message, kind }: EnvelopeEntry): ReplyRight | null {
  // What cannot be read here may have changed it.
  if (message === null) return kind === "receipt" ? before : null;
  const said = replyRight([message]);
  return said.by === null ? before : said;
}

/** Whether the server says the same reply right as the signed messages. */
export function isMirrored({ right, policy }: Facts): boolean {
  return right === null || (right.reply === policy.reply && right.until === policy.until);
}

function standing(people: readonly PersonFact[], gone: AccountId): readonly PersonFact[] {
  return people.map((person) => (person.id === gone ? { ...person, standing: "left" } : person));
}

function withBlocked(facts: Facts, { professional, blocked }: BlockedEntry): Facts {
  const others = (facts.blocked ?? []).filter((id) => id !== professional);
  return { ...facts, blocked: blocked ? [...others, professional] : others };
}

/** Why a message of this member is refused for good (docs/spec/api.md 4.1); null: it is not. */
export function refusalOf({ people, blocked, departed }: Facts, me: AccountId): "left" | "blocked" | null {
  if (people.some(({ id, role }) => id === me && role === "patient")) return null;
  const patients = people.filter(({ role }) => role === "patient");
  const gone = patients.some(({ id }) => departed?.includes(id) === true);
  if (gone && patients.every(({ standing }) => standing === "left")) return "left";
  return blocked?.includes(me) === true ? "blocked" : null;
}

/** The parents of the next message: at most eight, sorted (docs/spec/protocol.md 7.3). */
export function parentsOf(facts: Facts): readonly MessageId[] {
  return facts.heads.slice(-8).sort();
}
