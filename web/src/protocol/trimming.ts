/**
 * Where a log begins that a server has shortened, and what no server can hide by saying so.
 * Source: docs/spec/protocol.md 7.6.
 */

import { demand } from "./errors.ts";
import type { Time } from "./suite.ts";

const DAY = 86_400_000; // milliseconds
/** No honest server lets a message go that is younger. */
const SHORTEST = 30 * DAY;
/** By which a reader's own clock may be behind. */
const SLACK = 2 * DAY;

/** Messages before the seq `from` have no bytes any more; all of it is older than `before`. */
export type Trimmed = { readonly from: number; readonly before: Time };

export type Place = { readonly seq: number; readonly at: Time };

/** Compare with the reader's own clock. @throws ProtocolError `withheld` */
function demandOver(told: Trimmed, now: Time): void {
  demand(told.before <= now - SHORTEST + SLACK, "withheld", "a term that is not over");
}

/** Refuse to lose what is known to be younger. @throws ProtocolError `withheld` */
export function demandOlder(told: Trimmed, places: readonly Place[]): void {
  const younger = places.some(({ seq, at }) => seq < told.from && at >= told.before);
  demand(!younger, "withheld", "younger than what is over");
}

/**
 * Take a `trimmed` event of a log: `known` is the newest one before it, `place` its own.
 * @throws ProtocolError `withheld`: it says more than a server may let go
 */
export function acceptTrimmed(known: Trimmed | null, told: Trimmed, place: Place, now: Time): Trimmed {
  demand(told.from >= 1 && told.from <= place.seq, "withheld", "a beginning in the future");
  demand(known === null || (told.from >= known.from && told.before >= known.before), "withheld", "it goes back");
  demand(told.before <= place.at - SHORTEST, "withheld", "a term that is not over");
  demandOver(told, now);
  return told;
}

/**
 * Compare the newest `trimmed` event that the reader has with what the server says beside the log. `first`: the first
 * seq that the reader has; the event of an earlier beginning is not for it to see.
 * @throws ProtocolError `withheld`
 */
export function checkTrimmed(newest: Trimmed | null, told: Trimmed | null, first: number, now: Time): void {
  const hint = newest === null && told !== null && told.from <= first;
  const same = newest?.from === told?.from && newest?.before === told?.before;
  demand(hint || same, "withheld", "where the log begins");
  if (told !== null) demandOver(told, now);
}
