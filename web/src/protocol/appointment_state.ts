/**
 * What the log says of its appointments: every member computes the same. Source: docs/spec/appointments.md 3 and 4.
 * Pure: a book and an act in, the next book out.
 */

import { APART, MINUTE, readAct, type About, type Act, type ActFields, type ActName, type Slot } from "./appointment.ts";
import type { JsonObject } from "./codec.ts";
import type { Role } from "./epoch_record.ts";
import { ProtocolError } from "./errors.ts";
import type { AccountId, MessageId, Time } from "./suite.ts";

const PRACTICE: ReadonlySet<Role> = new Set(["owner", "professional", "service"]);
const PATIENT: ReadonlySet<Role> = new Set(["patient", "delegate"]);
const OF_PATIENT: ReadonlySet<ActName> = new Set(["ask", "accept", "refuse", "other_wish", "cannot_come"]);
const AFTER_REFUSAL: ReadonlySet<ActName> = new Set(["propose", "offer", "booked", "other_wish", "cancel"]);

/** An act at its place in the log; `at` is when the server accepted it. */
export type SaidAct = {
  readonly id: MessageId;
  readonly at: Time;
  readonly author: AccountId;
  readonly role: Role;
  readonly payload: JsonObject;
};

export type Verdict =
  | "ok" | "newer_version" | "bad_format" | "not_permitted" | "unknown" | "closed" | "superseded" | "taken" | "gone"
  | "expired" | "same" | "late" | "nothing" | "too_early";

export type Proposal = {
  readonly id: MessageId;
  readonly slots: readonly Slot[];
  readonly expires: Time;
  /** An offer from the waiting list. */
  readonly waiting: boolean;
  /** Indices that somebody else has. */
  readonly gone: readonly number[];
};

/** An acceptance, or a move or booking by the practice (`index` null), that waits for its answer. */
export type Choice = { readonly id: MessageId; readonly index: number | null; readonly slot: Slot; readonly by: AccountId };

export type End = {
  readonly state: "cancelled" | "refused" | "no_show";
  readonly id: MessageId;
  readonly practice: boolean;
  readonly source: "person" | "agenda";
  /** After the practice's deadline: it tells, and frees nothing. */
  readonly late: boolean;
};

/** One appointment, named by the message that began it. */
export type Appointment = {
  readonly id: MessageId;
  /** What the newest proposal or booking says; null while it is only asked for. */
  readonly about: About | null;
  readonly concerned: string | null;
  readonly wish: string | null;
  readonly proposal: Proposal | null;
  readonly chosen: Choice | null;
  readonly booked: Slot | null;
  /** The message that the booking answers, or that booked or moved it: when it came to stand there. */
  readonly booked_by: MessageId | null;
  readonly failure: "gone" | "refused" | "unreachable" | null;
  readonly end: End | null;
};

export type AppointmentStanding =
  | "asked" | "proposed" | "expired" | "accepted" | "booked" | "moving" | "failed" | "refused" | "cancelled" | "no_show";

/** The appointments of a conversation. */
export type Book = {
  readonly appointments: ReadonlyMap<MessageId, Appointment>;
  readonly verdicts: ReadonlyMap<MessageId, Verdict>;
  /** The newest `availability`. */
  readonly available: SaidAct | null;
};

const EMPTY_BOOK: Book = { appointments: new Map(), verdicts: new Map(), available: null };

export function bookOf(log: readonly SaidAct[]): Book {
  return log.reduce(taken, EMPTY_BOOK);
}

/** The book after the next act of the log. */
function taken(book: Book, said: SaidAct): Book {
  const judged = judge(book, said);
  const verdicts = new Map(book.verdicts).set(said.id, typeof judged === "string" ? judged : "ok");
  if (typeof judged === "string") return { ...book, verdicts };
  if ("available" in judged) return { ...book, verdicts, available: judged.available ?? book.available };
  return { ...book, verdicts, appointments: new Map(book.appointments).set(judged.id, judged) };
}

/** Indices of a proposal that may still be chosen. */
export function slotsLeft(proposal: Proposal | null, now: Time): readonly number[] {
  if (proposal === null || now >= proposal.expires) return [];
  return [...proposal.slots.keys()].filter((i) => !proposal.gone.includes(i) && (proposal.slots[i]?.start ?? 0) > now);
}

export function standingOf({ end, booked, chosen, proposal, failure }: Appointment, now: Time): AppointmentStanding {
  if (end !== null) return end.state;
  if (booked !== null) return chosen === null ? "booked" : "moving";
  if (chosen !== null) return "accepted";
  if (proposal === null) return failure === null ? "asked" : "failed";
  return slotsLeft(proposal, now).length > 0 ? "proposed" : "expired";
}

/** Until when the patient's cancellation frees the slot; null when nothing is booked. */
export function deadlineOf({ booked, about }: Appointment): Time | null {
  return booked === null ? null : booked.start - (about?.cancel_before ?? 0) * MINUTE;
}

type Judged = Verdict | Appointment | { readonly available: SaidAct | null };

function judge(book: Book, said: SaidAct): Judged {
  const act = read(said.payload);
  if (typeof act === "string") return act;
  if (!permitted(act, said.role)) return "not_permitted";
  if (APART.has(act.act)) return { available: act.act === "availability" ? said : null };
  const of = act.appointment === null ? fresh(said.id) : book.appointments.get(act.appointment);
  if (of === undefined) return "unknown";
  if (of.end !== null && (of.end.state !== "refused" || !AFTER_REFUSAL.has(act.act))) return "closed";
  return effect(of, act, said);
}

function read(payload: JsonObject): Act | "newer_version" | "bad_format" {
  try {
    return readAct(payload) ?? "newer_version";
  } catch (error) {
    if (error instanceof ProtocolError) return "bad_format";
    throw error;
  }
}

function permitted(act: Act, role: Role): boolean {
  if (PATIENT.has(role)) return (OF_PATIENT.has(act.act) || act.act === "cancel") && !("source" in act.fields && act.fields.source === "agenda");
  return PRACTICE.has(role) && !OF_PATIENT.has(act.act);
}

function fresh(id: MessageId): Appointment {
  const nothing = { about: null, concerned: null, wish: null, proposal: null, chosen: null, booked: null };
  return { id, ...nothing, booked_by: null, failure: null, end: null };
}

/** The appointment after an act, or the verdict that leaves it as it was. */
type Effect<A extends ActName> = (of: Appointment, fields: ActFields<A>, said: SaidAct) => Appointment | Verdict;

const EFFECTS: { readonly [A in ActName]: Effect<A> } = {
  ask: (of, fields) => ({ ...of, ...fields }),
  propose: (of, fields, said) => proposed(of, fields, said, false),
  offer: (of, fields, said) => proposed(of, fields, said, true),
  booked: noted,
  accept: accepted,
  refuse: refused,
  other_wish: (of, { wish }) => ({ ...of, wish }),
  confirmed: (of, { answers }) =>
    of.chosen?.id === answers ? { ...of, booked: of.chosen.slot, booked_by: answers, chosen: null, failure: null } : "late",
  failed,
  move: moved,
  cancel: (of, { source }, said) => cancelled(of, said, source),
  cannot_come: (of, _, said) => (of.booked === null && of.chosen === null ? "nothing" : cancelled(of, said, "person")),
  no_show: (of, _, said) => missed(of, said),
  reminder: (of, { start }) => (of.booked?.start === start ? of : "nothing"),
  find: (of) => of,
  availability: (of) => of,
};

function effect(of: Appointment, { act, fields }: Act, said: SaidAct): Appointment | Verdict {
  return (EFFECTS[act] as Effect<ActName>)(of, fields, said);
}

function proposed(of: Appointment, fields: ActFields<"propose">, { id }: SaidAct, waiting: boolean): Appointment {
  const { slots, expires, ...about } = fields;
  return { ...begunAnew(of, about), proposal: { id, slots, expires, waiting, gone: [] } };
}

/** What the practice says about it from now on. */
function begunAnew(of: Appointment, about: About): Appointment {
  return { ...of, about, concerned: about.concerned, proposal: null, wish: null, failure: null, end: null };
}

function noted(of: Appointment, { slot, source, ...about }: ActFields<"booked">, said: SaidAct): Appointment | Verdict {
  const stands = placed(of, slot, source, said);
  return typeof stands === "string" ? stands : begunAnew(stands, about);
}

function accepted(of: Appointment, which: ActFields<"accept">, said: SaidAct): Appointment | Verdict {
  const { proposal } = of;
  if (proposal?.id !== which.proposal) return "superseded";
  if (of.chosen !== null) return "taken";
  const slot = proposal.slots[which.slot];
  if (slot === undefined) return "bad_format";
  if (proposal.gone.includes(which.slot)) return "gone";
  if (said.at >= Math.min(proposal.expires, slot.start)) return "expired";
  if (of.booked !== null && sameTime(of.booked, slot)) return "same";
  return { ...of, chosen: { id: said.id, index: which.slot, slot, by: said.author }, failure: null };
}

function refused(of: Appointment, { proposal }: ActFields<"refuse">, said: SaidAct): Appointment | Verdict {
  if (of.proposal?.id !== proposal) return "superseded";
  if (of.chosen !== null) return "taken";
  const end = of.booked === null ? ending("refused", said) : null;
  return { ...of, proposal: null, end };
}

function failed(of: Appointment, { answers, reason }: ActFields<"failed">): Appointment | Verdict {
  const { chosen, proposal } = of;
  if (chosen?.id !== answers) return "late";
  const at = proposal?.slots.findIndex((slot) => sameSlot(slot, chosen.slot)) ?? -1;
  const lost = proposal !== null && at >= 0 && reason === "gone" ? { ...proposal, gone: [...proposal.gone, at] } : proposal;
  return { ...of, proposal: lost, chosen: null, failure: reason };
}

function moved(of: Appointment, { slot, source }: ActFields<"move">, said: SaidAct): Appointment | Verdict {
  return of.booked === null && of.chosen === null ? "nothing" : placed(of, slot, source, said);
}

/** It stands where the practice says: at once, or when the agenda that it stands in has answered a person. */
function placed(of: Appointment, slot: Slot, source: End["source"], { id, author }: SaidAct): Appointment | Verdict {
  const stands = of.booked ?? of.chosen?.slot;
  const ref = slot.ref === "" ? (stands?.ref ?? "") : slot.ref;
  if (source === "agenda" || ref === "") return { ...of, booked: slot, booked_by: id, chosen: null, failure: null };
  if (of.booked !== null && sameTime(of.booked, slot)) return "same";
  const named = { ...slot, ref };
  return { ...of, chosen: { id, index: null, slot: named, by: author }, failure: null };
}

function cancelled(of: Appointment, said: SaidAct, source: End["source"]): Appointment {
  const deadline = deadlineOf(of);
  const late = !PRACTICE.has(said.role) && deadline !== null && said.at > deadline;
  return { ...of, chosen: null, end: { ...ending("cancelled", said), source, late } };
}

function missed(of: Appointment, said: SaidAct): Appointment | Verdict {
  if (of.booked === null) return "nothing";
  if (said.at < of.booked.start) return "too_early";
  return { ...of, chosen: null, end: ending("no_show", said) };
}

function ending(state: End["state"], { id, role }: SaidAct): End {
  return { state, id, practice: PRACTICE.has(role), source: "person", late: false };
}

function sameTime(one: Slot, other: Slot): boolean {
  return one.start === other.start && one.end === other.end;
}

function sameSlot(one: Slot, other: Slot): boolean {
  return sameTime(one, other) && one.ref === other.ref;
}
