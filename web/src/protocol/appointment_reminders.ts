/**
 * When to remind of an appointment: in the evening of the place, never in its night. Source: docs/spec/appointments.md 7.
 * Pure. Times are milliseconds since 1970.
 */
/* eslint-disable no-restricted-globals -- Date only converts here: every time is an argument */

import { MINUTE } from "./appointment.ts";
import { instantsOf, wallOf } from "./wall_time.ts";

export type Lead = "d7" | "d1" | "h2";
/** The nearest first: of two that are due the nearer one says enough. */
const LEADS: readonly Lead[] = ["h2", "d1", "d7"];

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MORNING = 8 * 60; // minutes of the day
const NIGHT = 21 * 60;
const EVENING = "18:00";
const LAST = "20:30"; // when h2 of an early hour leaves, the evening before
/** Who has just booked needs no reminder. */
const FRESH = 2 * HOUR;
/** What the practice's automate is left before a device says it itself. */
export const WAIT = 30 * MINUTE;
/** How much too late a notification still leaves. */
const LATEST: { readonly [L in Lead]: number } = { d7: 15 * HOUR, d1: 15 * HOUR, h2: HOUR };

export type Reminded = { readonly start: number; readonly zone: string; readonly booked: number; readonly said: ReadonlySet<Lead> };

/** The moment of each lead, before anything is spread. A zone that this device does not know is read as UTC. */
export function momentOf(lead: Lead, start: number, zone: string): number {
  if (lead !== "h2") return wallInstant(dayBefore(start, zone, lead === "d7" ? 7 : 1), EVENING, zone);
  const before = start - 2 * HOUR;
  const { minutes } = wallOf(before, zone);
  if (minutes >= MORNING && minutes < NIGHT) return before;
  return wallInstant(dayBefore(before, zone, minutes < MORNING ? 1 : 0), LAST, zone);
}

/** The reminder that this device must show, if any; null also before its time and after the appointment has begun. */
export function dueHere({ start, zone, booked, said }: Reminded, now: number): { readonly lead: Lead; readonly at: number } | null {
  if (now >= start) return null;
  for (const lead of LEADS) {
    if (said.has(lead)) return null;
    const at = momentOf(lead, start, zone);
    if (at + WAIT <= now) return booked + FRESH > at ? null : { lead, at };
  }
  return null;
}

/** When to look again for one: the next moment that is still to come, or the start. */
export function nextMoment({ start, zone }: Reminded, now: number): number {
  const moments = LEADS.map((lead) => momentOf(lead, start, zone) + WAIT).filter((at) => at > now);
  return Math.min(start, ...moments);
}

/** Whether a notification of the device may still leave: not too late, and night nowhere. `here`: the device's zone. */
export function mayNotify(due: { readonly lead: Lead; readonly at: number }, zone: string, here: string, now: number): boolean {
  return now - due.at <= LATEST[due.lead] && !isNight(now, zone) && !isNight(now, here);
}

function isNight(at: number, zone: string): boolean {
  const { minutes } = wallOf(at, zone);
  return minutes < MORNING || minutes >= NIGHT;
}

/** "2026-04-23", so many days before the day of an instant at the place. */
function dayBefore(at: number, zone: string, days: number): string {
  const noon = Date.parse(`${wallOf(at, zone).day}T12:00:00Z`);
  return new Date(noon - days * DAY).toISOString().slice(0, 10);
}

function wallInstant(day: string, time: string, zone: string): number {
  return instantsOf(day, time, zone)[0] ?? Date.parse(`${day}T${time}:00Z`);
}
