/** What a message of one's own says about itself, from the log alone. */

import { expect, it } from "vitest";
import type { Facts } from "../model/facts.ts";
import type { LogEntry } from "../model/log_entry.ts";
import { timeline } from "./timeline.ts";
import type { MessageState } from "./types.ts";

const people = ["claire", "jean", "karim", "bridge"].map((id) => ({ id, kind: "user", name: id, role: "professional", standing: "member", verified: true }));

function entry(seq: number, author: string, said: object, parents: readonly string[] = []): LogEntry {
  const content = { author, at: seq * 1000, parents, said };
  return { type: "envelope", id: `m${seq}`, seq, at: seq * 1000, kind: "message", author, epoch: 1, message: { content, warnings: [] }, code: null, retracted: false } as never;
}

const text = (seq: number, author: string, parents: readonly string[] = [], more: object = {}): LogEntry =>
  entry(seq, author, { type: "text", payload: { text: "…", attachments: [], replaces: null, ...more } }, parents);
const receipt = (seq: number, author: string, upto: string): LogEntry =>
  ({ ...entry(seq, author, { type: "receipt", payload: { upto, opened: [] } }), kind: "receipt" }) as LogEntry;
const mail = { via: { kind: "mail", lead: 0, cards: [] } };

function stateOf(id: string, entries: readonly LogEntry[], delivered: Facts["delivered"] = {}): MessageState {
  const facts = { people, delivered } as unknown as Facts;
  const scene = { facts, me: "claire", entries, pending: [], progress: () => null, unreadAfter: null, documents: new Map() };
  const found = timeline(scene).find((one) => one.kind === "message" && one.id === id);
  if (found?.kind !== "message") throw new Error("no such message");
  return found.state;
}

const by = (state: MessageState): readonly string[] => ("by" in state ? state.by.map(({ who }) => who.name) : []);

it("tells accepted, delivered, read and answered apart", () => {
  const mine = text(1, "claire");
  expect(stateOf("m1", [mine]).name).toBe("accepted");
  expect(stateOf("m1", [mine], { claire: 1 }).name).toBe("accepted"); // my own other device
  expect(stateOf("m1", [mine], { jean: 1 }).name).toBe("delivered");
  expect(stateOf("m1", [mine, receipt(2, "jean", "m1")], { jean: 1 }).name).toBe("read");
  const answered = stateOf("m1", [mine, receipt(2, "jean", "m1"), text(3, "jean", ["m2"])], { jean: 3 });
  expect([answered.name, ...by(answered)]).toEqual(["answered", "jean"]);
});

it("takes for an answer only what was written after having seen the message", () => {
  const crossed = [text(1, "jean"), text(2, "claire", ["m1"]), text(3, "jean", ["m1"])];
  expect(stateOf("m2", crossed).name).toBe("accepted"); // both wrote at the same time
  expect(stateOf("m2", [...crossed, text(4, "claire", ["m2", "m3"])]).name).toBe("accepted"); // my own words are no answer
  expect(by(stateOf("m2", [...crossed, text(4, "karim", ["m3", "m2"])]))).toEqual(["karim"]);
  expect(stateOf("m2", [...crossed, receipt(4, "jean", "m2")]).name).toBe("read");
});

it("takes a mail for an answer only when its writer has read", () => {
  const entries = [text(1, "claire"), text(2, "bridge", ["m1"], mail)];
  expect(stateOf("m1", entries, { bridge: 2 }).name).toBe("delivered"); // another mail, on its way meanwhile
  expect(stateOf("m1", [...entries, receipt(3, "bridge", "m1")]).name).toBe("answered");
});

it("cannot be taken back once it was answered", () => {
  const shown = timeline({
    facts: { people, delivered: {} } as unknown as Facts, me: "claire", entries: [text(1, "claire"), text(2, "jean", ["m1"])],
    pending: [], progress: () => null, unreadAfter: null, documents: new Map(),
  });
  expect(shown[0]).toMatchObject({ canRetract: false });
});
