import { readAct } from "../appointment.ts";
import { dueHere, momentOf, type Lead } from "../appointment_reminders.ts";
import { bookOf, slotsLeft, standingOf, type SaidAct } from "../appointment_state.ts";
import type { JsonObject } from "../codec.ts";
import type { Role } from "../epoch_record.ts";
import type { Op } from "./vector.ts";

const read: Op = (v) => ({ act: readAct(v.raw("payload") as JsonObject)?.act ?? "newer_version" });

const derive: Op = (v) => {
  const now = v.number("now");
  const log = v.valuesList("log").map((said): SaidAct => {
    const [id, author, role] = [said.text("id"), said.text("author"), said.text("role") as Role];
    return { id, at: said.number("at"), author, role, payload: said.raw("payload") as JsonObject };
  });
  const book = bookOf(log);
  const appointments = [...book.appointments.values()].map((one) => ({
    ...one,
    left: slotsLeft(one.proposal, now),
    state: standingOf(one, now),
  }));
  return { appointments, available: book.available?.id ?? null, verdicts: Object.fromEntries(book.verdicts) };
};

const remind: Op = (v) => {
  const [start, now, booked, zone] = [v.number("start"), v.number("now"), v.number("booked"), v.text("zone")];
  const said = new Set(v.raw("said") as Lead[]);
  const moments = Object.fromEntries((["d7", "d1", "h2"] as const).map((lead) => [lead, momentOf(lead, start, zone)]));
  return { due: dueHere({ start, zone, booked, said }, now)?.lead ?? null, moments };
};

export const appointmentOps = { appointments: { read, derive, remind } };
