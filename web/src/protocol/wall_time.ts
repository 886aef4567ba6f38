/**
 * Between instants and the wall time of a place. A wall time is no instant in the hour that spring skips, and two in the
 * one that autumn repeats. Source: docs/spec/appointments.md 5. Pure.
 */
/* eslint-disable no-restricted-globals -- Date only converts here: every time is an argument */

import { MINUTE } from "./appointment.ts";

const HOUR = 60 * MINUTE;

/** `day` "2026-03-29", `time` "09:30". Ascending; empty when it does not exist, or is not a date. */
export function instantsOf(day: string, time: string, zone: string): readonly number[] {
  const guess = Date.parse(`${day}T${time}:00Z`);
  if (Number.isNaN(guess) || !isZone(zone)) return [];
  // The offsets of a zone lie between -12 and +14 hours: those around the guess are all that can apply.
  const offsets = [-26, -13, 0, 13, 26].map((hours) => offsetAt(guess + hours * HOUR, zone));
  const found = new Set(offsets.map((offset) => guess - offset).filter((at) => at + offsetAt(at, zone) === guess));
  return [...found].sort((one, other) => one - other);
}

export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}

/** Day ("2026-03-29") and minutes since midnight on the clock of the place; of UTC, when this device does not know the zone. */
export function wallOf(at: number, zone: string): { readonly day: string; readonly minutes: number } {
  const wall = at + (isZone(zone) ? offsetAt(at, zone) : 0);
  return { day: new Date(wall).toISOString().slice(0, 10), minutes: Math.floor((wall % (24 * HOUR)) / MINUTE) };
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds to add to UTC to get the wall time. */
function offsetAt(at: number, zone: string): number {
  let formatter = formatters.get(zone);
  if (formatter === undefined) {
    const all = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" } as const;
    formatter = new Intl.DateTimeFormat("en-US", { ...all, hourCycle: "h23", timeZone: zone });
    formatters.set(zone, formatter);
  }
  const values = Object.fromEntries(formatter.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = values;
  return Date.UTC(year, month - 1, day, hour, minute, second) - (at - (((at % 1000) + 1000) % 1000));
}
