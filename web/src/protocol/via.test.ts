import { expect, it } from "vitest";
import { readVia } from "./via.ts";

const card = {
  attachment: "AAAAAAAAAAAAAAAAAAAAAA",
  authors: "DR Paul LEROY, CHU du Nord",
  code: "18748-4",
  date: "2026-11-20",
  label: "CR d'imagerie médicale",
  patient: "CORSE Anne 1979-03-28",
  qualified: "yes",
};
const mail = { kind: "mail", box: "pli@cabinet.mssante.fr", owner: "Cabinet du Sud", from: "dr.leroy@chu.mssante.fr", name: "", lead: 2, cards: [card] };

it("reads where a message came from, and what a later version adds beside", () => {
  expect(readVia(mail)).toEqual(mail);
  expect(readVia({ ...mail, later: 1 })).toEqual(mail);
});

it.each([
  ["nothing", undefined],
  ["another kind", { ...mail, kind: "fax" }],
  ["no object", "mail"],
  ["a missing key", { ...mail, owner: undefined }],
  ["too long a line", { ...mail, owner: "x".repeat(301) }],
  ["too many cards", { ...mail, cards: Array.from({ length: 21 }, () => card) }],
  ["a broken card", { ...mail, cards: [{ ...card, qualified: "perhaps" }] }],
])("ignores %s: the words of the message stay", (_, value) => {
  expect(readVia(value as never)).toBeNull();
});
