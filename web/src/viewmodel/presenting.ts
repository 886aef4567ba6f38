/** From what the model knows to what a screen shows: codes, phrases, people, rights. Pure. */

import { refusalOf, type Facts, type PersonFact } from "../model/facts.ts";
import { codeOf, isAlarm, isPassing, retryAfterOf } from "../model/refusals.ts";
import { ALARMS, type PhraseKey } from "./catalogue.ts";
import type { CodeField, Person, Phrase, Problem, RecoveryCode, ReplyRight } from "./types.ts";

export function problemOf(error: unknown): Problem {
  const code = codeOf(error);
  return { code, alarm: isAlarm(error), retry: isPassing(error), retryAfter: retryAfterOf(error) };
}

/** A code that was kept: nothing thrown any more. */
export function problemOfCode(code: string): Problem {
  return { code, alarm: ALARMS.has(code), retry: false, retryAfter: null };
}

/** What stops a whole conversation is an alarm, whichever check found it. */
export function alarmOf(facts: Facts | undefined): Problem | null {
  const alarm = facts?.alarm ?? null;
  return alarm === null ? null : { ...problemOfCode(alarm), alarm: true };
}

export function phrase(key: PhraseKey, params: Phrase["params"] = {}): Phrase {
  return { key, params };
}

export function personOf(fact: PersonFact, me: string): Person {
  const { id, name, role, profession, identifier, verified, standing } = fact;
  return { id, name, role, profession, identifier, verified, standing, me: id === me };
}

/** Somebody of whom only the id is left. */
export function stranger(id: string): Person {
  return { id, name: "", role: "member", profession: null, identifier: null, verified: false, standing: "left", me: false };
}

export function personIn(facts: Facts, id: string | null, me: string): Person | null {
  if (id === null) return null;
  const fact = facts.people.find((person) => person.id === id);
  return fact === undefined ? stranger(id) : personOf(fact, me);
}

export function replyRightOf(facts: Facts, now: number, me: string): ReplyRight {
  const why = refusalOf(facts, me);
  if (why !== null) return { name: "refused", why };
  // The signed word counts; the server's mirror only where the word is not here (a page further back).
  const { reply, until, by } = facts.right ?? facts.policy;
  const who = personIn(facts, by, me);
  switch (reply) {
    case "open":
      return { name: "open" };
    case "none":
      return { name: "none", by: who };
    case "ended":
      return { name: "ended", by: who, at: facts.lastAt };
    case "until":
      return { name: "until", at: until ?? 0, passed: (until ?? 0) <= now, by: who };
  }
}

export function isProfessional(person: Person | null): boolean {
  return person?.role === "owner" || person?.role === "professional";
}

/** Whether this member may write now; the server says the same or refuses. */
export function mayWrite(me: Person | null, right: ReplyRight): boolean {
  if (me?.standing !== "member" || right.name === "refused") return false;
  if (isProfessional(me) || right.name === "open") return true;
  return right.name === "until" && !right.passed;
}

/** The sentence above the composer. */
export function replySentence(right: ReplyRight, professional: boolean): Phrase {
  return professional ? sentenceForProfessional(right) : sentenceForPatient(right);
}

function sentenceForPatient(right: ReplyRight): Phrase {
  const by = byName(right);
  switch (right.name) {
    case "refused":
      return phrase(`reply.refused.${right.why}`);
    case "open":
      return phrase("reply.open");
    case "none":
      return phrase("reply.none", { by });
    case "ended":
      return phrase("reply.ended", { by, at: right.at ?? 0 });
    case "until":
      return right.passed
        ? phrase("reply.passed", { until: right.at, by })
        : phrase("reply.until", { until: right.at });
  }
}

function sentenceForProfessional(right: ReplyRight): Phrase {
  const by = byName(right);
  switch (right.name) {
    case "refused":
      return phrase(`reply.refused.${right.why}`);
    case "open":
      return phrase("reply.open.professional");
    case "none":
      return phrase("reply.none.professional");
    case "ended":
      return phrase("reply.ended.professional", { by, at: right.at ?? 0 });
    case "until":
      return phrase(right.passed ? "reply.passed.professional" : "reply.until.professional", { until: right.at });
  }
}

function byName(right: ReplyRight): string {
  return "by" in right ? (right.by?.name ?? "") : "";
}

export function recoveryOf(text: string): RecoveryCode {
  return { text, groups: text.split("-") };
}

/** A slip of the finger belongs to the field, everything else above it. */
export function typingError(code: string): "bad_code" | "bad_check" | null {
  return code === "bad_code" || code === "bad_check" ? code : null;
}

const SEPARATORS = /[\s\u002d\u2010-\u2015\u2212]/gu;

/** A code as it is typed: grouped by four, cut at its length, never refused while it is incomplete. */
export function codeField(typed: string, length: number): CodeField {
  const letters = typed.normalize("NFKC").toUpperCase().replace(SEPARATORS, "").slice(0, length);
  const groups = letters.match(/.{1,4}/g) ?? [];
  return { text: groups.join("-"), missing: length - letters.length, problem: null };
}

export const EMPTY_CODE = (length: number): CodeField => ({ text: "", missing: length, problem: null });
export const RECOVERY_LETTERS = 28;
export const INVITATION_LETTERS = 13;
