/** A server that brings again what was said before: docs/spec/protocol.md 7.4. */

import { afterEach, beforeEach, expect, it } from "vitest";

import type { Event } from "../api/types.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, openTab, pairOf, say, textsOf, untilTexts, type Known, type Tab } from "../testing/people.ts";

let server: MockServer;
let doctor: Known;
let patient: Known;
let hers: Tab;
let his: Tab;
let conversation: string;
let opened: Tab[];

async function tabOf(code: string, browser = new MockBrowser()): Promise<Tab> {
  const tab = await openTab(server, browser, code);
  opened.push(tab);
  return tab;
}

beforeEach(async () => {
  server = new MockServer();
  ({ doctor, patient, hers, his, conversation } = await pairOf(server, "Deux comprimés."));
  opened = [hers, his];
  await say(hers.home, conversation, "Un seul, finalement.");
  await untilTexts(his.home, conversation, ["Deux comprimés.", "Un seul, finalement."]);
}, 60_000);

afterEach(() => {
  opened.forEach(close);
});

const events = (): readonly Event[] => server.conversations.get(conversation)!.events;
const factsOf = (tab: Tab) => tab.home.log.facts(conversation);

/** Bring an event of the log again, at the end. */
function again(which: (event: Event) => boolean): number {
  const event = events().find(which)!;
  server.inject(conversation, (seq, at) => ({ ...event, seq, at }));
  return events().length;
}

const isText = (event: Event): boolean => event.type === "envelope" && event.kind === "message";

it("takes an old message that comes again for nothing, and goes on", async () => {
  const before = await factsOf(his);
  const last = again(isText);
  await until(async () => (await factsOf(his))?.last === last);
  expect(await textsOf(his.home, conversation)).toEqual(["Deux comprimés.", "Un seul, finalement."]);
  expect(await factsOf(his)).toMatchObject({ unread: before?.unread, newest: before?.newest, lastAt: before?.lastAt, alarm: null });
  await say(hers.home, conversation, "À demain.");
  await untilTexts(his.home, conversation, ["Deux comprimés.", "Un seul, finalement.", "À demain."]);
});

it("knows it again in a browser that was closed meanwhile", async () => {
  const browser = new MockBrowser();
  close(await openTab(server, browser, patient.code));
  again(isText);
  const tab = await tabOf(patient.code, browser);
  await until(async () => (await factsOf(tab))?.last === events().length);
  expect(await textsOf(tab.home, conversation)).toEqual(["Deux comprimés.", "Un seul, finalement."]);
});

it("does not let an exchange that ended be opened by what was said before", async () => {
  await hers.home.say(conversation, { said: { type: "end", payload: { text: "" } }, attachments: [], reply: null, readSeq: null });
  const policy = { reply: "ended", until: null, by: doctor.account } as const;
  await until(() => events().some((event) => event.type === "envelope" && event.kind === "end"));
  server.conversations.get(conversation)!.policy = policy;
  server.inject(conversation, (seq, at) => ({ seq, at, type: "policy", policy, by: doctor.account }));
  again(isText); // with the right to answer that it gave
  await until(async () => (await factsOf(his))?.last === events().length);
  expect((await factsOf(his))?.right?.reply).toBe("ended");
});

it("alarms at an epoch that begins at a second place", async () => {
  again((event) => event.type === "epoch");
  await until(async () => (await factsOf(his))?.alarm === "fork");
});

it("counts the first of two places also when it comes to this device later", async () => {
  const { policy } = server.conversations.get(conversation)!;
  for (let i = 0; i < 60; i += 1) server.inject(conversation, (seq, at) => ({ seq, at, type: "policy", policy, by: doctor.account }));
  again(isText);
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect(await textsOf(fresh.home, conversation)).toEqual(["Deux comprimés."]); // the first place is further up
  while (await fresh.home.log.older(conversation, 200));
  expect(await textsOf(fresh.home, conversation)).toEqual(["Deux comprimés.", "Un seul, finalement."]);
});
