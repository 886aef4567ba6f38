/** What is unread, from the reader's own log: counted once, forgotten once, on whatever device it was read. */

import { expect, it } from "vitest";
import { advanced, type Facts, read } from "./facts.ts";
import type { EnvelopeEntry, LogEntry } from "./log_entry.ts";

const ME = "me";
const HER = "her";

const NOTHING: Facts = {
  conversation: "c",
  records: [],
  invitations: [],
  subject: "",
  people: [],
  named: 1,
  from: 1,
  last: 0,
  lastAt: 0,
  complete: true,
  heads: [],
  recent: [],
  policy: { rule: "open", until: null, by: null } as unknown as Facts["policy"],
  right: null,
  delivered: {},
  readSeq: 0,
  unread: 0,
  newest: null,
  mine: null,
  reads: {},
  alarm: null,
};

function envelope(seq: number, author: string, more: Partial<EnvelopeEntry> = {}): EnvelopeEntry {
  const closed = { type: "envelope", at: seq, epoch: 1, kind: "message", message: null, code: "open_failed", retracted: false } as const;
  return { ...closed, seq, id: `m${String(seq)}`, author, ...more };
}

function receipt(seq: number, author: string, upto: string): EnvelopeEntry {
  const content = { author, at: seq, parents: [], said: { type: "receipt", payload: { upto, opened: [] } } };
  return envelope(seq, author, { kind: "receipt", message: { author: { role: "patient" }, content } as unknown as EnvelopeEntry["message"] });
}

function after(...entries: readonly LogEntry[]): Facts {
  return entries.reduce((facts, entry) => advanced(facts, entry, ME), NOTHING);
}

it("forgets what I read on another device, though my own receipt is the newest entry", () => {
  const facts = after(envelope(1, HER), envelope(2, HER), envelope(3, ME), receipt(4, ME, "m2"));
  expect(facts).toMatchObject({ unread: 0, readSeq: 2 });
});

it("counts exactly what is left when only a part was read", () => {
  const facts = after(envelope(1, HER), envelope(2, ME), envelope(3, HER), envelope(4, HER), receipt(5, ME, "m3"));
  expect(facts).toMatchObject({ unread: 1, readSeq: 3 });
  expect(read(facts, 4)).toMatchObject({ unread: 0, readSeq: 4 });
});

it("does not count a message that was taken back", () => {
  const facts = after(envelope(1, HER), envelope(2, HER), { type: "retracted", seq: 3, at: 3, id: "m2", by: HER, target: 2 });
  expect(facts.unread).toBe(1);
  expect(read(facts, 1).unread).toBe(0);
});

it("keeps the server's count where its own memory does not reach, until all is read", () => {
  const many = { ...after(...Array.from({ length: 200 }, (_, i) => envelope(i + 1, HER))) };
  expect(many.unread).toBe(200);
  expect(read(many, 10).unread).toBe(200);
  expect(read(many, 150).unread).toBe(50);
  expect(read(many, 200).unread).toBe(0);
});

it("never goes back to an older mark", () => {
  const facts = read(after(envelope(1, HER), envelope(2, HER)), 2);
  expect(read(facts, 1)).toBe(facts);
});
