/** The operations of the group trimming: docs/spec/protocol.md 7.6. */

import { acceptTrimmed, checkTrimmed, demandOlder, type Trimmed } from "../trimming.ts";
import type { Op, Values } from "./vector.ts";

function trimmedOf(v: Values, key: string): Trimmed | null {
  return v.raw(key) as Trimmed | null;
}

function toldOf(v: Values): Trimmed {
  const told = trimmedOf(v, "told");
  if (told === null) throw new TypeError("nothing told");
  return told;
}

const accept: Op = (v) =>
  acceptTrimmed(trimmedOf(v, "known"), toldOf(v), { seq: v.number("seq"), at: v.number("at") }, v.number("now"));

const older: Op = (v) => {
  const places = v.valuesList("places").map((place) => ({ seq: place.number("seq"), at: place.number("at") }));
  demandOlder(toldOf(v), places);
  return {};
};

const mirrored: Op = (v) => {
  checkTrimmed(trimmedOf(v, "newest"), trimmedOf(v, "told"), v.number("first"), v.number("now"));
  return {};
};

export const trimmingOps = { trimming: { accept, older, mirrored } };
