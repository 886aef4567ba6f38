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
const mailed = (seq: number, message: string, state: string, reason: string | null = null, author = "bridge"): LogEntry =>
  ({ ...entry(seq, author, { type: "mailed", payload: { states: [{ message, state, reason }] } }), kind: "receipt" }) as LogEntry;
const mail = { via: { kind: "mail", lead: 0, cards: [] } };

function stateOf(id: string, entries: readonly LogEntry[], delivered: Facts["delivered"] = {}, mails: Facts["mails"] = {}): MessageState {
  const facts = { people, delivered, mails } as unknown as Facts;
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
  expect(stateOf("m1", entries, { bridge: 2 }).name).toBe("accepted"); // another mail, on its way meanwhile
  expect(stateOf("m1", [...entries, receipt(3, "bridge", "m1")]).name).toBe("answered");
});

it("takes a bridge for where mail begins, not for the mailbox", () => {
  const entries = [text(1, "bridge", [], mail), text(2, "claire", ["m1"])];
  expect(stateOf("m2", entries, { bridge: 2 }).name).toBe("accepted"); // it waits at the bridge
  expect(stateOf("m2", entries, { bridge: 2, jean: 2 }).name).toBe("delivered"); // at somebody else's own device
  const handed = [...entries, mailed(3, "m2", "handed")];
  expect(stateOf("m2", handed, { bridge: 3 }).name).toBe("handed");
  expect(stateOf("m2", [...handed, mailed(4, "m2", "delivered")], { bridge: 4 }).name).toBe("delivered");
  expect(stateOf("m2", [...handed, mailed(4, "m2", "delivered"), receipt(5, "bridge", "m2")]).name).toBe("read");
});

it("knows a bridge by what it said before the entries that are here", () => {
  expect(stateOf("m2", [text(2, "claire")], { bridge: 2 }, { bridge: {} }).name).toBe("accepted");
});

it("says that a mail did not arrive, and why, above all else but a reading there", () => {
  const sent = [text(1, "claire"), mailed(2, "m1", "delivered"), mailed(3, "m1", "failed", "box_full"), mailed(4, "m1", "delivered")];
  const note = text(5, "bridge", ["m4"]);
  expect(stateOf("m1", [...sent, note], { bridge: 5 })).toEqual({ name: "failed", reason: "box_full" });
  expect(stateOf("m1", [...sent, receipt(5, "jean", "m1"), text(6, "jean", ["m5"])]).name).toBe("failed"); // the mailbox still lacks it
  expect(stateOf("m1", [...sent, receipt(5, "bridge", "m1")]).name).toBe("read");
  expect(stateOf("m1", [text(1, "claire"), mailed(2, "m1", "failed")])).toEqual({ name: "failed", reason: "other" });
});

it("does not take the bridge's own words for an answer", () => {
  expect(stateOf("m1", [text(1, "claire"), mailed(2, "m1", "handed"), text(3, "bridge", ["m2"])], { bridge: 3 }).name).toBe("handed");
});

it("counts what a bridge says of others' messages alone, and of none before it is there", () => {
  const own = [text(1, "bridge"), mailed(2, "m1", "delivered"), text(3, "claire")];
  expect(stateOf("m3", own).name).toBe("accepted");
  expect(stateOf("m1", [text(1, "claire"), mailed(2, "m1", "delivered", null, "claire")]).name).toBe("accepted"); // of myself
  expect(stateOf("m2", [mailed(1, "m2", "failed", "box_full"), text(2, "claire")]).name).toBe("accepted");
});

it("cannot be taken back once it was answered", () => {
  const shown = timeline({
    facts: { people, delivered: {} } as unknown as Facts, me: "claire", entries: [text(1, "claire"), text(2, "jean", ["m1"])],
    pending: [], progress: () => null, unreadAfter: null, documents: new Map(),
  });
  expect(shown[0]).toMatchObject({ canRetract: false });
});
