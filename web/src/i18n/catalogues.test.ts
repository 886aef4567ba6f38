import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { LOCAL_CODES, PHRASES } from "../viewmodel/catalogue";
import { en } from "./en/index";
import { fr } from "./fr/index";
import { appointments as englishAppointments } from "./en/appointments";
import { inUse as englishInUse } from "./en/in_use";
import { removed as englishRemoved } from "./en/removed";
import { search as englishSearch } from "./en/search";
import { settings as englishSettings } from "./en/settings";
import { appointments } from "./fr/appointments";
import { inUse } from "./fr/in_use";
import { removed } from "./fr/removed";
import { search } from "./fr/search";
import { settings } from "./fr/settings";
import type { Message } from "./message";
import { typeset } from "./typography";

type Part = Readonly<Record<string, Message>>;
/** Those that are fetched later, in French and in English. */
const PARTS: readonly (readonly [Part, Part])[] = [
  [appointments, englishAppointments], [inUse, englishInUse], [removed, englishRemoved], [search, englishSearch], [settings, englishSettings],
];
const wordings = (message: Message): string[] => (typeof message === "string" ? [message] : [message.one, message.other]);
const names = (message: Message): string[] => [...new Set(wordings(message).join().match(/\{\w+\}/g) ?? [])].sort();

test("each language says everything, with the same names to fill in", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(fr).sort());
  for (const [key, message] of Object.entries(fr)) expect([key, ...names(en[key as keyof typeof fr])]).toEqual([key, ...names(message)]);
});

test("so do the parts that are fetched later", () => {
  for (const [french, english] of PARTS) {
    for (const [key, message] of Object.entries(french)) expect([key, ...names(english[key] ?? "")]).toEqual([key, ...names(message)]);
  }
});

test("every code of the specification has a sentence", () => {
  const page = (name: string): string => readFileSync(new URL(`../../../docs/spec/${name}`, import.meta.url), "utf8");
  // What only a terminal says stands in a table of its own.
  const [shared] = page("errors.md").split("The terminal alone has these");
  const interfaceCodes = [...(shared ?? "").matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]);
  const protocolCodes = /## 13 Errors of the protocol\n`([\w ]+)`/.exec(page("protocol.md"))?.[1]?.split(" ") ?? [];
  expect(interfaceCodes.length).toBeGreaterThan(25);
  expect(protocolCodes.length).toBeGreaterThan(20);
  const missing = [...interfaceCodes, ...protocolCodes].filter((code) => !(`error.${code ?? ""}` in fr));
  expect(missing).toEqual([]);
});

test("everything that a view model can say has words, with the parameters it gives", () => {
  const messages: Record<string, Message> = fr;
  expect(LOCAL_CODES.filter((code) => !(`error.${code}` in messages))).toEqual([]);
  for (const [key, given] of Object.entries(PHRASES)) {
    expect(key in messages, key).toBe(true);
    const asked = names(messages[key] ?? "").map((name) => name.slice(1, -1));
    expect(asked.filter((name) => !(given as readonly string[]).includes(name)), key).toEqual([]);
  }
});

test("patients meet no jargon", () => {
  for (const [key, message] of [fr, ...PARTS.map(([french]) => french)].flatMap((part) => Object.entries<Message>(part))) {
    expect([key, ...wordings(message)].join(" ")).not.toMatch(/ (session|token|clés?|jeton|époque|hash|synchronis\w*)\b/i);
  }
});

test("French spacing does not break before a sign, after a title or inside a measure", () => {
  expect(typeset("Un doute ? Appelez « Dr Martin » : 10 s.")).toBe("Un doute\u202f? Appelez «\u202fDr\u00a0Martin\u202f»\u202f: 10\u00a0s.");
  expect(typeset("L'échange")).toBe("L’échange");
});
