/**
 * One act about an appointment: reading and writing its payload. Source: docs/spec/appointments.md 1 and 2.
 */

import type { Json, JsonObject } from "./codec.ts";
import type { AppointmentPayload, Reply } from "./content.ts";
import { demand } from "./errors.ts";
import * as shape from "./shape.ts";
import { HASH, type MessageId, type Time } from "./suite.ts";

const VERSION = 1;
export const MINUTE = 60_000; // milliseconds
const LONGEST = 86_400_000; // milliseconds that a slot may take
export const MAX_SLOTS = 6;
const MAX_AVAILABLE = 60;
const MAX_CANCEL_BEFORE = 43_200; // minutes

const ZONE = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;
const LINK = /^(https:\/\/[!-~]{1,492})?$/;

/** A time that can be chosen. `ref` is the agenda's own opaque name for it; empty when typed by hand. */
export type Slot = { readonly start: Time; readonly end: Time; readonly ref: string };

const identifier: shape.Shape<MessageId> = shape.bytes(HASH);
const note = shape.text(1_000);
const concerned = shape.nullable(shape.text(120, 1));
const source = shape.oneOf("person", "agenda");
const wish = shape.text(1_000, 1);
const time = shape.integer(0);
const zone = matching(ZONE);

const about = {
  bring: shape.list(shape.text(200, 1), 10),
  cancel_before: shape.integer(0, MAX_CANCEL_BEFORE),
  concerned,
  link: matching(LINK),
  mode: shape.oneOf("practice", "home", "remote"),
  note,
  place: shape.text(200),
  what: shape.text(200),
  zone,
};

const ACTS = {
  ask: { wish, concerned },
  propose: { slots: slots(1, MAX_SLOTS), expires: time, ...about },
  offer: { slots: slots(1, 1), expires: time, ...about },
  booked: { slot: slotOf, source, ...about },
  accept: { proposal: identifier, slot: shape.integer(0, MAX_SLOTS - 1) },
  refuse: { proposal: identifier, note },
  other_wish: { wish },
  confirmed: { answers: identifier },
  failed: { answers: identifier, reason: shape.oneOf("gone", "refused", "unreachable") },
  move: { slot: slotOf, note, source },
  cancel: { note, source },
  cannot_come: { note },
  no_show: {},
  reminder: { start: time, lead: shape.oneOf("d7", "d1", "h2") },
  find: { from: time, to: time },
  availability: { slots: slots(0, MAX_AVAILABLE), zone, from: time, to: time },
} as const;

type Fields<T> = { readonly [K in keyof T]: T[K] extends shape.Shape<infer V> ? V : never };
export type ActName = keyof typeof ACTS;
export type ActFields<A extends ActName> = Fields<(typeof ACTS)[A]>;
/** What the newest proposal or booking says of an appointment. */
export type About = Fields<typeof about>;
/** A well-formed act. `appointment` is the id of the message that began it; null when this one does. */
export type Act = {
  readonly [A in ActName]: { readonly act: A; readonly appointment: MessageId | null; readonly fields: ActFields<A> };
}[ActName];

const BEGINNING: ReadonlySet<ActName> = new Set(["ask", "propose", "offer", "booked"]);
/** Acts about no appointment: a practice and its own agenda. */
export const APART: ReadonlySet<ActName> = new Set(["find", "availability"]);

/** Read a payload; `null` for what a newer version says. Refuses with `bad_format`. */
export function readAct(payload: JsonObject): Act | null {
  const { version, act } = payload;
  demand(typeof version === "number" && typeof act === "string", "bad_format", "version or act");
  if (version !== VERSION || !isAct(act)) return null;
  const common = { version: shape.integer(VERSION, VERSION), act: shape.text(64), reply: (value: Json) => value };
  const fields = shape.object({ ...common, appointment: shape.nullable(identifier), ...ACTS[act] })(payload);
  const own = Object.fromEntries(Object.entries(fields).filter(([key]) => Object.hasOwn(ACTS[act], key)));
  demandPlace(act, fields.appointment);
  demandOrder(own);
  return { act, appointment: fields.appointment, fields: own } as unknown as Act;
}

/** Write an act; refuses with `bad_format` what no reader would take. */
export function writeAct<A extends ActName>(
  act: A,
  appointment: MessageId | null,
  fields: ActFields<A>,
  reply: Reply | "keep",
): AppointmentPayload {
  const payload = { version: VERSION, act, appointment, reply, ...fields } as unknown as AppointmentPayload;
  readAct(payload);
  return payload;
}

/** `ask` always begins; `propose`, `offer` and `booked` may; `find` and `availability` are about none. */
function demandPlace(act: ActName, appointment: MessageId | null): void {
  if (APART.has(act) || act === "ask") demand(appointment === null, "bad_format", "appointment");
  else if (!BEGINNING.has(act)) demand(appointment !== null, "bad_format", "appointment");
}

function demandOrder({ slots: given = [], from, to }: { readonly slots?: readonly Slot[]; readonly from?: Time; readonly to?: Time }): void {
  demand(given.every(({ start }, i) => i === 0 || (given[i - 1]?.start ?? 0) < start), "bad_format", "slots ascend");
  if (from !== undefined && to !== undefined) demand(from < to, "bad_format", "from and to");
}

function isAct(name: string): name is ActName {
  return Object.hasOwn(ACTS, name);
}

function matching(form: RegExp): shape.Shape<string> {
  return (value) => {
    demand(typeof value === "string" && form.test(value), "bad_format", "text of that form");
    return value;
  };
}

function slotOf(value: Json): Slot {
  const slot = shape.object({ end: shape.integer(0), ref: shape.text(200), start: shape.integer(0) })(value);
  const whole = slot.start % MINUTE === 0 && slot.end % MINUTE === 0;
  demand(whole && slot.start < slot.end && slot.end <= slot.start + LONGEST, "bad_format", "slot");
  return slot;
}

function slots(least: number, most: number): shape.Shape<readonly Slot[]> {
  return shape.list(slotOf, most, least);
}
