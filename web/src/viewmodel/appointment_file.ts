/** A file for the patient's own calendar (RFC 5545), made on this device; it says no more than its title. Pure. */

import type { Slot } from "../model/appointments.ts";

const LINE = 75; // bytes of a line, RFC 5545 3.1

export function calendarFile(about: {
  /** Same appointment, same entry: a second file replaces the first. */
  readonly id: string;
  readonly slot: Slot;
  readonly title: string;
  readonly place: string;
  readonly link: string;
  readonly now: number;
}): Uint8Array<ArrayBuffer> {
  const { id, slot, title, place, link, now } = about;
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Pli//Appointment 1//EN",
    "METHOD:PUBLISH",
    "BEGIN:VEVENT",
    `UID:${id}@pli`,
    `DTSTAMP:${instant(now)}`,
    `SEQUENCE:${Math.floor(now / 1000) % 2_000_000_000}`,
    `DTSTART:${instant(slot.start)}`,
    `DTEND:${instant(slot.end)}`,
    `SUMMARY:${escaped(title)}`,
    ...(place === "" ? [] : [`LOCATION:${escaped(place)}`]),
    ...(link === "" ? [] : [`URL:${link}`]),
    "CLASS:PRIVATE",
    "END:VEVENT",
    "END:VCALENDAR",
  ];
  return new TextEncoder().encode(lines.map(folded).join("\r\n") + "\r\n");
}

function instant(at: number): string {
  return new Date(at).toISOString().replace(/[-:]|\.\d{3}/g, "");
}

function escaped(text: string): string {
  return text.replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");
}

/** Lines are cut between characters, never inside one. */
function folded(line: string): string {
  const encoder = new TextEncoder();
  const pieces: string[] = [];
  let piece = "";
  for (const character of line) {
    if (encoder.encode(piece + character).length > LINE - 1) {
      pieces.push(piece);
      piece = "";
    }
    piece += character;
  }
  return [...pieces, piece].join("\r\n ");
}
