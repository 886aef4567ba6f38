/** From acts and their state to what stands in the log: cards, lines, what is on its way. Pure. */

import {
  deadlineOf,
  readAct,
  slotsLeft,
  standingOf,
  type ActFields,
  type ActName,
  type Appointment,
  type PlacedAct,
  type Reading,
} from "../model/appointments.ts";
import type { Pending } from "../model/pending.ts";
import { problemOfCode } from "./presenting.ts";
import type { AppointmentAbout, AppointmentCard, AppointmentRow, ShownSlot, Slot } from "./types.ts";

export type Scene = {
  readonly reading: Reading;
  readonly pending: readonly Pending[];
  readonly side: "patient" | "practice" | null;
  /** Nothing here alarms, and I am a member. */
  readonly mayAct: boolean;
  /** The patient's reply right. */
  readonly mayWrite: boolean;
  /** As the server has it; and as this device has it, by which what waits here is held. */
  readonly now: number;
  readonly deviceNow: number;
  readonly nameOf: (account: string) => string;
  readonly deviceOf: (account: string, device: string) => string;
};

const NO_PLACE: AppointmentAbout = {
  what: "", place: "", zone: "UTC", mode: "practice", link: "", bring: [], cancel_before: 0, concerned: null, note: "",
};

export function rowsOf(scene: Scene): ReadonlyMap<string, AppointmentRow> {
  const sent = scene.reading.acts.map((act) => [act.id, rowOf(act, scene)] as const);
  const known = new Set(scene.reading.acts.map(({ id }) => id));
  const waiting = scene.pending.filter(({ sealed }) => sealed === null || !known.has(sealed.id));
  return new Map([...sent, ...waiting.flatMap((one) => pendingRow(one, scene))]);
}

/** The answer of the practice's agenda, when it has one. */
export function lastAbout({ book }: Reading): AppointmentAbout | null {
  return [...book.appointments.values()].findLast(({ about }) => about !== null)?.about ?? null;
}

function rowOf(placed: PlacedAct, scene: Scene): AppointmentRow {
  const { appointments, verdicts } = scene.reading.book;
  const verdict = verdicts.get(placed.id) ?? "unknown";
  const by = scene.nameOf(placed.author);
  if (verdict !== "ok") return { kind: "void", verdict, by };
  const act = readAct(placed.payload);
  if (act === null) return { kind: "void", verdict: "newer_version", by };
  const appointment = appointments.get(act.appointment ?? placed.id);
  if (appointment !== undefined && placed.id === placeOf(appointment, scene.reading)) return { kind: "card", card: cardOf(appointment, scene) };
  return lineOf(placed, act, scene, appointment);
}

const SHOWN: ReadonlySet<ActName> = new Set(["propose", "offer", "booked"]);

/** One card an appointment: at its newest proposal or booking, or the move that stands if that is later; else where it began. */
function placeOf({ id, booked_by }: Appointment, { acts, book }: Reading): string {
  const at = acts.findLast((placed) => {
    if (book.verdicts.get(placed.id) !== "ok") return false;
    const act = readAct(placed.payload);
    if (act === null || (act.appointment ?? placed.id) !== id) return false;
    return SHOWN.has(act.act) || (act.act === "move" && placed.id === booked_by);
  });
  return at?.id ?? id;
}

type ReadableAct = NonNullable<ReturnType<typeof readAct>>;

function lineOf(placed: PlacedAct, act: ReadableAct, scene: Scene, of: Appointment | undefined): AppointmentRow {
  const { key, slot = null, note = "", device = false, count = 0 } = wordsOf(act, { placed, scene, of });
  const zone = of?.about?.zone ?? "UTC";
  const written = device ? scene.deviceOf(placed.author, placed.device) : "";
  return { kind: "line", key, by: scene.nameOf(placed.author), slot, zone, note, device: written, count };
}

type Words = { readonly key: string; readonly slot?: Slot | null; readonly note?: string; readonly device?: boolean; readonly count?: number };

function wordsOf({ act, fields }: ReadableAct, told: Told): Words {
  return (WORDS[act] as (fields: unknown, told: Told) => Words)(fields, told);
}

type Told = { readonly placed: PlacedAct; readonly scene: Scene; readonly of: Appointment | undefined };

const WORDS: { readonly [A in ActName]: (fields: ActFields<A>, told: Told) => Words } = {
  ask: ({ wish }) => ({ key: "ask", note: wish }),
  propose: () => ({ key: "propose" }),
  offer: () => ({ key: "propose" }),
  booked: ({ source, slot }) => ({ key: agendaKey("booked", source), slot, device: source === "agenda" }),
  accept: ({ proposal, slot }, { placed, scene }) => ({ key: "accept", slot: slotChosen(placed, proposal, slot, scene) }),
  refuse: ({ note }) => ({ key: "refuse", note }),
  other_wish: ({ wish }) => ({ key: "other_wish", note: wish }),
  confirmed: () => ({ key: "confirmed", device: true }),
  failed: ({ reason }) => ({ key: `failed.${reason}`, device: true }),
  move: ({ source, slot, note }) => ({ key: source === "agenda" ? "move.agenda" : "move.asked", slot, note, device: source === "agenda" }),
  cancel: ({ source, note }, { of }) => ({ key: cancelKey(agendaKey("cancel", source), of), note, device: source === "agenda" }),
  cannot_come: ({ note }, { of }) => ({ key: cancelKey("cannot_come", of), note }),
  no_show: () => ({ key: "no_show" }),
  reminder: (_, { of }) => ({ key: "reminder", slot: of?.booked ?? null, device: true }),
  find: () => ({ key: "find" }),
  availability: ({ slots }) => ({ key: "availability", count: slots.length, device: true }),
};

function agendaKey(key: string, source: "person" | "agenda"): string {
  return source === "agenda" ? `${key}.agenda` : key;
}

function cancelKey(key: string, of: Appointment | undefined): string {
  if (of?.end?.late === true) return "cancel.late";
  const early = of === undefined || key !== "cancel" ? null : earlyOf(of);
  return early === null ? key : early === "asked" ? "cancel.withdrawn.ask" : "cancel.withdrawn";
}

function slotChosen(placed: PlacedAct, proposal: string, index: number, { reading }: Scene): Slot | null {
  const proposed = reading.acts.find(({ id, seq }) => id === proposal && seq < placed.seq);
  const act = proposed === undefined ? null : readAct(proposed.payload);
  return act?.act === "propose" || act?.act === "offer" ? (act.fields.slots[index] ?? null) : null;
}

function cardOf(of: Appointment, scene: Scene): AppointmentCard {
  const { now } = scene;
  const deadline = deadlineOf(of);
  const sending = scene.pending.some(({ intent: { said }, state }) => isAbout(said, of.id) && state.name !== "refused");
  const keep = of.end === null && of.booked !== null && of.booked.end > now;
  return {
    id: of.id,
    standing: standingOf(of, now),
    about: of.about ?? NO_PLACE,
    concerned: of.concerned,
    wish: of.wish,
    slots: shownSlots(of, now),
    ...proposalOf(of),
    booked: of.booked,
    chosen: of.chosen?.slot ?? null,
    moved: of.chosen !== null && of.chosen.index === null,
    ...notedOf(of, scene),
    moveNote: moveNote(of, scene.reading),
    deadline,
    deadlinePassed: deadline !== null && deadline < now,
    failure: of.failure,
    end: endOf(of),
    can: { ...NOTHING, ...(scene.mayAct && !sending ? rights(of, scene) : {}), keep },
    sending,
  };
}

/** Whether the practice noted what stands, and what it could not note. */
function notedOf(of: Appointment, { reading, now }: Scene): Pick<AppointmentCard, "noted" | "tried"> {
  const noted = reading.acts.find(({ id, payload }) => id === of.booked_by && payload["act"] === "booked") !== undefined;
  if (standingOf(of, now) !== "failed") return { noted, tried: null };
  const last = reading.acts.find(({ id }) => id === placeOf(of, reading));
  const act = last === undefined ? null : readAct(last.payload);
  return { noted, tried: act?.act === "booked" ? act.fields.slot : null };
}

/** The card stands where the move did, so it says what came with it. */
function moveNote({ booked_by }: Appointment, { acts }: Reading): string {
  const placed = acts.find(({ id }) => id === booked_by);
  const act = placed === undefined ? null : readAct(placed.payload);
  return act?.act === "move" ? act.fields.note : "";
}

function proposalOf({ proposal }: Appointment): Pick<AppointmentCard, "waiting" | "expires"> {
  return proposal === null ? { waiting: false, expires: null } : { waiting: proposal.waiting, expires: proposal.expires };
}

function endOf(of: Appointment): AppointmentCard["end"] {
  const { end } = of;
  return end === null ? null : { practice: end.practice, inAgenda: end.source === "agenda", late: end.late, early: earlyOf(of) };
}

function earlyOf({ booked, chosen, about }: Appointment): "asked" | "proposed" | null {
  if (booked !== null || chosen !== null) return null;
  return about === null ? "asked" : "proposed";
}

const NOTHING = { choose: false, refuse: false, wish: false, cancel: false, confirm: false, propose: false, move: false, noShow: false };

function isAbout(said: Pending["intent"]["said"], appointment: string): boolean {
  return said.type === "appointment" && said.payload["appointment"] === appointment;
}

type Rights = Partial<AppointmentCard["can"]>;

function rights(of: Appointment, scene: Scene): Rights {
  const over = of.booked !== null && of.booked.end <= scene.now;
  if (scene.side === "practice") return rightsOfPractice(of, scene.now, over);
  if (scene.side !== "patient" || over) return {};
  // Who has declined can still say when it suits.
  if (of.end !== null) return { wish: scene.mayWrite && of.end.state === "refused" };
  return rightsOfPatient(of, scene);
}

function rightsOfPractice({ end, chosen, booked }: Appointment, now: number, over: boolean): Rights {
  if (end !== null) return { propose: end.state === "refused" };
  const noShow = booked !== null && booked.start <= now;
  return over ? { noShow } : { cancel: true, confirm: chosen !== null, propose: true, move: booked !== null, noShow };
}

/** What is booked or waits for its answer can always be called off. */
function rightsOfPatient(of: Appointment, { mayWrite, now }: Scene): Rights {
  const certain = of.booked !== null || of.chosen !== null;
  const choose = mayWrite && of.chosen === null && slotsLeft(of.proposal, now).length > 0;
  return { choose, refuse: choose, wish: mayWrite && of.about !== null, cancel: mayWrite || certain };
}

function shownSlots({ proposal, chosen, booked }: Appointment, now: number): readonly ShownSlot[] {
  if (proposal === null) return [];
  const left = slotsLeft(proposal, now);
  return proposal.slots.map((slot, index) => {
    const is = (other: Slot | null | undefined): boolean => other?.start === slot.start && other.end === slot.end;
    const state = is(chosen?.slot) ? "chosen" : is(booked) ? "booked" : proposal.gone.includes(index) ? "gone" : left.includes(index) ? "free" : "past";
    return { ...slot, index, state };
  });
}

function pendingRow(pending: Pending, scene: Scene): readonly (readonly [string, AppointmentRow])[] {
  const { said } = pending.intent;
  const act = said.type === "appointment" ? readAct(said.payload) : null;
  if (act === null) return [];
  const { slots, zone } = proposedIn(act);
  const undoable = pending.sealed === null && pending.heldUntil > scene.deviceNow;
  const problem = pending.state.name === "refused" ? problemOfCode(pending.state.code) : null;
  return [[pending.id, { kind: "pending", id: pending.id, booked: act.act === "booked", slots, zone, undoable, problem }]];
}

function proposedIn(act: ReadableAct): { readonly slots: readonly Slot[]; readonly zone: string } {
  if (act.act === "booked") return { slots: [act.fields.slot], zone: act.fields.zone };
  return act.act === "propose" || act.act === "offer" ? act.fields : { slots: [], zone: "UTC" };
}
