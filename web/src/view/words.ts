import type { IconName } from "../ui/icons";
import type { Tone } from "../ui/Tag.svelte";
import { date, sameDay, time } from "../i18n/format";
import { lookUp, t } from "../i18n/locale.svelte";
import type { MessageState, Person, Phrase, Problem } from "../viewmodel/types";

/** Turns what the view models say into words of the catalogue. */

const DOCTORS = new Set(["10", "40", "50"]);
const PHARMACIST = "21";

/** The sentence of a phrase; dates among its parameters are written out. */
export function sentence(phrase: Phrase): string {
  const values = Object.fromEntries(
    Object.entries(phrase.params).map(([name, value]) => [
      name,
      typeof value === "number" && (name === "at" || name === "until") ? date(value) : value,
    ]),
  );
  return lookUp(phrase.key, values) ?? t("preview.unreadable");
}

export function problemText(problem: Problem): string {
  const wait = problem.retryAfter;
  if (problem.code === "too_many_tries" && wait !== null) return t("problem.wait", { count: Math.max(1, Math.ceil(wait / 60)) });
  return lookUp(`error.${problem.code}`, {}) ?? t("error.other");
}

export function profession(person: Pick<Person, "profession" | "role">): string {
  if (person.profession === null) return t(`role.${person.role}`);
  return lookUp(`profession.${person.profession}`, {}) ?? t("profession.other");
}

export function tone(person: Pick<Person, "profession" | "verified">): Tone {
  if (person.profession === null) return "patient";
  if (!person.verified) return "neutral";
  if (person.profession === PHARMACIST) return "pharmacy";
  return DOCTORS.has(person.profession) ? "doctor" : "carer";
}

export function isProfessional(person: Person | null): boolean {
  return person !== null && person.profession !== null;
}

export function documentKind(code: string | null): string {
  return (code === null ? null : lookUp(`document.${code}`, {})) ?? t("document.other");
}

export function documentIcon(code: string | null): IconName {
  switch (code) {
    case "prescription":
      return "prescription";
    case "advice":
      return "pill";
    case "image":
      return "image";
    case "letter":
      return "letter";
    case null:
    default:
      return "document";
  }
}

/** The RPPS number in groups: "10 101 234 567". */
export function grouped(identifier: string): string {
  return identifier.replace(/^(\d{2})(\d{3})(\d{3})(\d{3})$/, "$1\u00a0$2\u00a0$3\u00a0$4");
}

const STATE_ICONS: Record<MessageState["name"], IconName> = {
  waiting: "clock",
  sending: "send",
  accepted: "check",
  handed: "letter",
  delivered: "checks",
  read: "eye",
  answered: "reply",
  failed: "close",
  retracted: "undo",
  refused: "alert",
};

export function stateIcon(state: MessageState): IconName {
  return STATE_ICONS[state.name];
}

/** "à 18:40", with the day when it is neither today nor that of `beside`. */
export function when(at: number, beside: number): string {
  const near = sameDay(at, beside) || sameDay(at, Date.now());
  return near ? t("when.time", { time: time(at) }) : t("when.day", { date: date(at), time: time(at) });
}

/** The state in words: "Lu par Dr Lefèvre à 18:40". `written` is the time of the message, said beside. */
export function stateText(state: MessageState, written: number): string {
  if (state.name !== "read" && state.name !== "answered") return t(`state.${state.name}`);
  const [first, ...others] = state.by;
  if (first === undefined) return t("state.delivered");
  const known = { name: first.who.name, when: when(first.at, written) };
  return others.length === 0 ? t(`state.${state.name}`, known) : t(`state.${state.name}.more`, { ...known, count: others.length });
}

/** Why a mail did not arrive. */
export function failureText(reason: string): string {
  return lookUp(`failed.${reason}`, {}) ?? t("failed.other");
}

export { time };
