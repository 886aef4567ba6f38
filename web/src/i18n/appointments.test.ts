import { expect, test } from "vitest";
import { appointments as en } from "./en/appointments";
import { appointments as fr } from "./fr/appointments";
import { fr as always } from "./fr/index";
import type { Message } from "./message";

const wordings = (message: Message): string[] => (typeof message === "string" ? [message] : [message.one, message.other]);
const names = (message: Message): string[] => [...new Set(wordings(message).join().match(/\{\w+\}/g) ?? [])].sort();

test("appointments are spoken of in each language, with the same names to fill in, and apart from the rest", () => {
  expect(Object.keys(en).sort()).toEqual(Object.keys(fr).sort());
  for (const [key, message] of Object.entries(fr)) expect([key, ...names(en[key as keyof typeof fr])]).toEqual([key, ...names(message)]);
  expect(Object.keys(fr).filter((key) => key in always)).toEqual([]);
});

test("nobody meets jargon in an appointment", () => {
  for (const message of Object.values<Message>(fr)) {
    expect(wordings(message).join(" ")).not.toMatch(/\b(session|token|clés?|jeton|UTC|fuseau|synchronis\w*|slot)\b/i);
  }
});
