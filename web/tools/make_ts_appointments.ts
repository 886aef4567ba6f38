/// <reference types="node" />
/**
 * Writes `tests/vectors/from_ts/appointments.json`: random walks of acts as TypeScript writes them, with the state that
 * TypeScript computes, for Python to compute again. The same bytes each time: `node tools/run.mjs tools/make_ts_appointments.ts`.
 */
import { writeFileSync } from "node:fs";

import { writeAct, type ActFields, type ActName, type Slot } from "../src/protocol/appointment.ts";
import { b64, type Json } from "../src/protocol/codec.ts";
import { Values } from "../src/protocol/testing/vector.ts";
import { perform } from "../src/protocol/testing/vectors.ts";

const NOW = 1_790_000_040_000;
const DAY = 86_400_000;
const ROLES = ["owner", "patient", "delegate", "service", "professional", "member"] as const;
const OF_PATIENT: ReadonlySet<string> = new Set(["accept", "refuse", "other_wish", "cannot_come"]);

/** Numbers that look drawn and are the same each time (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  }

  of<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }
}

const id = (walk: number, step: number): string => b64(new Uint8Array(32).fill(step).fill(walk, 0, 16));
const slot = (day: number): Slot => ({ start: NOW + day * DAY, end: NOW + day * DAY + 1_200_000, ref: `s${day}` });
const about = { bring: ["Carte Vitale"], cancel_before: 1_440, concerned: null, link: "", mode: "practice", note: "", place: "", what: "Suivi", zone: "Indian/Reunion" } as const;

function fieldsOf(dice: Dice, earlier: () => string): { readonly [A in ActName]?: () => ActFields<A> } {
  return {
    propose: () => ({ slots: [slot(1), slot(2 + dice.below(3))].sort((one, other) => one.start - other.start), expires: NOW + dice.below(4) * DAY, ...about }),
    offer: () => ({ slots: [slot(1 + dice.below(4))], expires: NOW + 2 * DAY, ...about }),
    booked: () => ({ slot: dice.of([slot(1 + dice.below(4)), { ...slot(2 + dice.below(4)), ref: "" }]), source: dice.of(["person", "agenda"]), ...about }),
    accept: () => ({ proposal: earlier(), slot: dice.below(3) }),
    refuse: () => ({ proposal: earlier(), note: "Absent" }),
    other_wish: () => ({ wish: "Le soir" }),
    confirmed: () => ({ answers: earlier() }),
    failed: () => ({ answers: earlier(), reason: dice.of(["gone", "refused", "unreachable"]) }),
    move: () => ({ slot: slot(1 + dice.below(6)), note: "", source: dice.of(["person", "agenda"]) }),
    cancel: () => ({ note: "", source: dice.of(["person", "agenda"]) }),
    cannot_come: () => ({ note: "Grippe" }),
    no_show: () => ({}),
    reminder: () => ({ start: slot(1 + dice.below(3)).start, lead: dice.of(["d7", "d1", "h2"]) }),
  };
}

const LIKELY = ["accept", "accept", "accept", "confirmed", "confirmed", "confirmed", "failed", "propose", "offer", "refuse", "other_wish", "move", "booked", "booked", "reminder", "no_show", "cannot_come", "cancel", "confirmed", "accept"] as const;

function walk(number: number): Json {
  const dice = new Dice(number * 7_919 + 17);
  let at = NOW;
  const ids: string[] = [];
  return Array.from({ length: 9 }, (_, step): Json => {
    const act: ActName = step === 0 ? "propose" : dice.of(LIKELY);
    const fields = fieldsOf(dice, () => ids[ids.length - 1 - dice.below(Math.min(3, ids.length))] ?? id(number, 0))[act];
    if (fields === undefined) throw new TypeError(act);
    const payload = writeAct(act, step === 0 ? null : id(number, 0), fields() as never, null);
    const fitting = OF_PATIENT.has(act) ? "patient" : "owner";
    const role = step === 0 || dice.below(8) > 0 ? fitting : dice.of(ROLES);
    at += dice.below(18) * 3_600_000;
    ids.push(id(number, step));
    return { id: id(number, step), at, author: role, role, payload: { ...payload } };
  });
}

export async function main(): Promise<void> {
  const cases = await Promise.all(
    Array.from({ length: 30 }, async (_, number) => {
      const given = { op: "derive", now: NOW + 3 * DAY, log: walk(number + 1) };
      return { name: `walk ${number + 1}`, expect: "ok", in: given, out: await perform("appointments", new Values(given)) };
    }),
  );
  const group = { group: "appointments", description: "random walks of acts, written and judged by TypeScript", cases };
  writeFileSync(new URL("../../tests/vectors/from_ts/appointments.json", import.meta.url), `${JSON.stringify(group, null, 1)}\n`);
}
