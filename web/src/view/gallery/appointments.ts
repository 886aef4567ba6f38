import type { AppointmentCard, AppointmentRow, AppointmentsState, Entry, Person, RemindersState, Slot } from "../../viewmodel/types";
import { message } from "./entries";
import { dupont, martin } from "./people";

const DAY = 86_400_000;
const MINUTE = 60_000;
const NINE = new Date().setHours(9, 0, 0, 0);

const slot = (days: number, minutes = 0): Slot => ({ start: NINE + days * DAY + minutes * MINUTE, end: NINE + days * DAY + (minutes + 20) * MINUTE, ref: "" });
const slots = [slot(3), slot(3, 40), slot(4, 300)];

const card: AppointmentCard = {
  id: "p1",
  standing: "proposed",
  about: {
    what: "Consultation de suivi", place: "Cabinet des Lilas, 12 rue des Lilas", zone: "Europe/Paris", mode: "practice", link: "",
    bring: ["Carte Vitale", "Bilan sanguin du mois dernier"], cancel_before: 1_440, concerned: null, note: "Venez à jeun.",
  },
  concerned: null,
  wish: null,
  slots: slots.map((one, index) => ({ ...one, index, state: index === 1 ? "gone" : "free" })),
  waiting: false,
  expires: NINE + 2 * DAY,
  booked: null,
  chosen: null,
  moved: false,
  noted: false,
  tried: null,
  moveNote: "",
  deadline: null,
  deadlinePassed: false,
  failure: null,
  end: null,
  can: { choose: true, refuse: true, wish: true, cancel: false, confirm: false, propose: false, move: false, noShow: false, keep: false },
  sending: false,
};

const NOTHING: AppointmentCard["can"] = { choose: false, refuse: false, wish: false, cancel: false, confirm: false, propose: false, move: false, noShow: false, keep: false };
const booked: AppointmentCard = {
  ...card,
  standing: "booked",
  booked: slot(3),
  slots: card.slots.map((one) => ({ ...one, state: one.index === 0 ? "booked" : one.state })),
  deadline: NINE + 2 * DAY,
  can: { ...NOTHING, choose: true, wish: true, cancel: true, keep: true },
};
const cards = {
  proposed: card,
  gone: { ...card, failure: "gone", slots: card.slots.slice(1) },
  overseas: { ...card, about: { ...card.about, place: "CHU de Martinique", zone: "America/Martinique" } },
  booked,
  remote: { ...booked, about: { ...booked.about, mode: "remote", place: "", link: "https://visio.example/k2v9", bring: [], note: "" }, deadlinePassed: true, deadline: NINE - DAY },
  cancelled: { ...booked, standing: "cancelled", end: { practice: true, inAgenda: true, late: false, early: null }, can: NOTHING },
  asked: { ...card, standing: "asked", wish: "Un matin, la semaine prochaine", concerned: "Léa Dupont", slots: [], about: { ...card.about, what: "", bring: [], note: "" }, can: { ...NOTHING, cancel: true, propose: true } },
  movedTo: { ...booked, standing: "moving", moved: true, chosen: slot(9), failure: null, can: { ...NOTHING, confirm: true, propose: true, cancel: true, move: true } },
  kept: { ...booked, failure: "gone", can: { ...NOTHING, propose: true, cancel: true, move: true } },
  noted: { ...booked, noted: true, slots: [], expires: null, can: { ...NOTHING, wish: true, cancel: true, keep: true } },
  notedHere: { ...booked, noted: true, slots: [], expires: null, can: { ...NOTHING, propose: true, cancel: true, move: true } },
  noting: { ...card, standing: "accepted", moved: true, chosen: slot(3), slots: [], expires: null, can: { ...NOTHING, confirm: true, propose: true, cancel: true } },
  notTaken: { ...card, standing: "failed", failure: "gone", tried: slot(3), slots: [], expires: null, can: { ...NOTHING, propose: true, cancel: true } },
  toConfirm: { ...card, standing: "accepted", chosen: slot(3), slots: card.slots.map((one) => ({ ...one, state: one.index === 0 ? "chosen" : one.state })), can: { ...NOTHING, confirm: true, propose: true, cancel: true } },
} as const satisfies Record<string, AppointmentCard>;

const line = (key: string, fields: Partial<Extract<AppointmentRow, { kind: "line" }>> = {}): AppointmentRow => ({
  kind: "line", key, by: dupont.name, slot: null, zone: "Europe/Paris", note: "", device: "", count: 0, ...fields,
});

const lines: readonly AppointmentRow[] = [
  line("accept", { slot: slot(3) }),
  line("confirmed", { device: "Agenda du cabinet (automate)" }),
  line("move.agenda", { slot: slot(4), device: "Agenda du cabinet (automate)" }),
  line("reminder", { slot: slot(4) }),
  { kind: "void", verdict: "taken", by: dupont.name },
  { kind: "void", verdict: "newer_version", by: dupont.name },
  { kind: "pending", id: "w1", booked: false, slots, zone: "Europe/Paris", undoable: true, problem: null },
];

/** State and entries of a conversation with these cards, as `who` sees it. */
export function appointmentScene(who: Person, ...names: readonly (keyof typeof cards)[]): { readonly state: AppointmentsState; readonly entries: readonly Entry[] } {
  const all = [...names.map((name): AppointmentRow => ({ kind: "card", card: { ...cards[name], id: name } })), ...(names.length > 2 ? lines : [])];
  const rows = all.map((row, at) => [`a${at}`, row] as const);
  const first = message({ id: "m1", me: who, author: martin, text: "Bonjour Monsieur Dupont, il est temps de nous revoir.", at: NINE - 60 * MINUTE });
  const entries = [first, ...rows.map(([id], at): Entry => ({ kind: "appointment", id, seq: at + 2, at: NINE - 50 * MINUTE + at * MINUTE }))];
  const practice = who.id === martin.id;
  const free = practice ? ({ name: "ready", at: NINE, zone: "Europe/Paris", slots: Array.from({ length: 12 }, (_, at) => ({ ...slot(2 + Math.floor(at / 4), (at % 4) * 20), ref: `f${at}` })) } as const) : ({ name: "none" } as const);
  return { state: { side: practice ? "practice" : "patient", rows: new Map(rows), mayBegin: true, last: card.about, free, problem: null }, entries };
}

export const noAppointments: AppointmentsState = { side: null, rows: new Map(), mayBegin: true, last: null, free: { name: "none" }, problem: null };

export const noReminders: RemindersState = { notices: "off", due: [] };
export const reminders: RemindersState = {
  notices: "ask",
  due: [
    { key: "r1", conversation: "c1", slot: slot(1), zone: "Europe/Paris", by: martin.name, concerned: null },
    { key: "r2", conversation: "c2", slot: slot(1, 90), zone: "America/Martinique", by: martin.name, concerned: "Léa Dupont" },
  ],
};
