import { expect, test } from "vitest";
import { advanced, refusalOf, type Facts, type PersonFact } from "./facts.ts";
import type { LogEntry } from "./log_entry.ts";

const person = (id: string, role: PersonFact["role"], kind: PersonFact["kind"] = "user"): PersonFact => ({
  id, kind, name: id, role, history: "full", profession: role === "patient" ? null : "10", identifier: null, verified: role !== "patient",
  standing: kind === "invite" ? "invited" : "member",
});

const BEGUN: Facts = {
  conversation: "c", records: [], invitations: [], subject: "", people: [person("claire", "owner"), person("karim", "professional"), person("jean", "patient")],
  named: 1, from: 1, last: 1, lastAt: 1, complete: true, heads: [], recent: [], policy: { reply: "open", until: null, by: null }, right: null,
  delivered: {}, readSeq: 0, unread: 0, newest: null, mine: null, reads: {}, alarm: null,
};

const after = (facts: Facts, ...entries: readonly object[]): Facts =>
  entries.reduce<Facts>((known, entry) => advanced(known, { seq: known.last + 1, at: 2, ...entry } as LogEntry, "claire"), facts);
const why = (facts: Facts): readonly (string | null)[] => ["claire", "karim", "jean"].map((id) => refusalOf(facts, id));

const blocked = (professional: string, yes: boolean): object => ({ type: "blocked", professional, by: "jean", name: "", blocked: yes });
const added = (...ids: readonly string[]): object => ({
  type: "epoch", epoch: 2, author: "claire", reason: "add", added: ids.map((id) => ({ id, name: id, history: "full" })), removed: [],
});

test("only the blocked professional is refused, until the patient undoes it", () => {
  const shut = after(BEGUN, blocked("karim", true), blocked("karim", true));
  expect(why(shut)).toEqual([null, "blocked", null]);
  expect(why(after(shut, blocked("karim", false)))).toEqual([null, null, null]);
});

test("who leaves is missed by everybody, also beside a block, and is heard again when let in again", () => {
  const left = after(BEGUN, blocked("karim", true), { type: "left", account: "jean", name: "" });
  expect(why(left)).toEqual(["left", "left", null]);
  expect(why(after(left, added("jean")))).toEqual([null, "blocked", null]);
});

test("a refused letter is as if the patient had left; a new one opens the place again", () => {
  const waiting = { ...BEGUN, people: [person("claire", "owner"), person("karim", "professional"), person("letter", "patient", "invite")] };
  expect(why(waiting)).toEqual([null, null, null]);
  const refused = after(waiting, { type: "refused", member: "letter", name: "" });
  expect(why(refused).slice(0, 2)).toEqual(["left", "left"]);
  const anew = { ...refused, people: [...refused.people, person("again", "patient", "invite")] };
  expect(why(anew).slice(0, 2)).toEqual([null, null]);
});

test("a professional who leaves, and a patient whom an owner took out, refuse nobody", () => {
  expect(why(after(BEGUN, { type: "left", account: "karim", name: "" }))).toEqual([null, null, null]);
  const out = { ...BEGUN, people: BEGUN.people.map((one): PersonFact => (one.id === "jean" ? { ...one, standing: "left" } : one)) };
  expect(why(out).slice(0, 2)).toEqual([null, null]);
});

test("what became of recent messages as mail is known by bridge, and no state goes back", () => {
  const envelope = (id: string, author: string, said: object, kind = "message"): object => ({
    type: "envelope", id, author, kind, epoch: 1, code: null, retracted: false, message: { author: { id: author, role: "owner" }, content: { author, at: 1, parents: [], said }, warnings: [] },
  });
  const text = (id: string, author: string, more = {}): object => envelope(id, author, { type: "text", payload: { text: "", attachments: [], reply: null, replaces: null, ...more } });
  const mailed = (id: string, state: string, reason: string | null = null): object =>
    envelope(id, "karim", { type: "mailed", payload: { states: ["m1", "nowhere"].map((message) => ({ message, state, reason })) } }, "receipt");
  const sent = after(BEGUN, text("m0", "karim", { via: { kind: "mail" } }), text("m1", "claire"));
  expect(sent.mails).toEqual({ karim: {} }); // a bridge that has said nothing of it yet
  const handed = after(sent, mailed("m2", "handed"));
  expect(handed.mails).toEqual({ karim: { m1: { state: "handed", reason: null } } });
  const failed = after(handed, mailed("m3", "failed", "box_full"), mailed("m4", "delivered"));
  expect(failed.mails).toEqual({ karim: { m1: { state: "failed", reason: "box_full" } } });
  expect([failed.mine?.id, failed.unread, failed.newest?.author]).toEqual(["m1", 1, "claire"]); // it is no message
});
