/** A server that lets old messages go, and one that calls new ones old: docs/spec/api.md 8.2, protocol.md 7.6. */

import { afterEach, beforeEach, expect, it } from "vitest";

import { until } from "../testing/mock_clock.ts";
import { MockBrowser } from "../testing/mock_platform.ts";
import { DAY, shortenFeeds, trim } from "../testing/mock_retention.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, say, textsOf, untilTexts, type Known, type Tab } from "../testing/people.ts";
import { timeline } from "../viewmodel/timeline.ts";

let server: MockServer;
let doctor: Known;
let patient: Known;
let hers: Tab;
let his: Tab;
let conversation: string;
let opened: Tab[];
let now: number;

async function tabOf(code: string, browser = new MockBrowser()): Promise<Tab> {
  const tab = await openTab(server, browser, code);
  opened.push(tab);
  return tab;
}

/** Two messages of a hundred days ago, and one of today: seqs 2, 3 and 4. */
beforeEach(async () => {
  now = Date.now();
  server = new MockServer();
  server.now = now - 100 * DAY;
  opened = [];
  [doctor, patient] = [await newcomer(server, "professional"), await newcomer(server, "patient")];
  hers = await tabOf(doctor.code);
  his = await tabOf(patient.code);
  conversation = await conversationOf(hers.home, patient.account);
  await say(hers.home, conversation, "Deux comprimés.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Deux comprimés."]);
  server.now = now - DAY;
  await say(hers.home, conversation, "Revenez en mars.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Deux comprimés.", "Revenez en mars."]);
}, 60_000);

afterEach(() => {
  opened.forEach(close);
});

const factsOf = (tab: Tab) => tab.home.log.facts(conversation);
const alarmOf = async (tab: Tab): Promise<string | null | undefined> => (await factsOf(tab))?.alarm;
const over = (from = 4) => ({ from, before: now - 60 * DAY });

async function noticeOf(tab: Tab): Promise<readonly string[]> {
  const facts = await factsOf(tab);
  if (facts === undefined) return [];
  const entries = await tab.home.log.entries(conversation, Number.MAX_SAFE_INTEGER, 1_000);
  const shown = timeline({ facts, me: tab.home.account, entries, pending: [], progress: () => null, unreadAfter: null, documents: new Map() });
  return shown.flatMap((entry) => (entry.kind === "notice" ? [entry.phrase.key] : entry.kind === "message" ? [entry.text] : [entry.kind]));
}

it("keeps what is here when the server lets it go, and says so above what the server still has", async () => {
  const before = (await factsOf(his))?.lastAt;
  trim(server, conversation, over());
  await until(async () => (await factsOf(his))?.trimmed?.from === 4);
  expect(await textsOf(his.home, conversation)).toEqual(["Bonjour.", "Deux comprimés.", "Revenez en mars."]);
  expect(await noticeOf(his)).toEqual(["notice.created", "Bonjour.", "Deux comprimés.", "notice.trimmed", "Revenez en mars."]);
  expect((await factsOf(his))?.lastAt).toBe(before);
  await say(his.home, conversation, "Merci.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Deux comprimés.", "Revenez en mars.", "Merci."]);
  expect([await alarmOf(his), await alarmOf(hers)]).toEqual([null, null]);
});

it("joins on a new device without alarm, counts nothing unread that is not here, and writes on", async () => {
  trim(server, conversation, over());
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect(await alarmOf(fresh)).toBeNull();
  expect(await noticeOf(fresh)).toEqual(["notice.created", "notice.trimmed", "Revenez en mars."]);
  expect((await factsOf(fresh))?.bare).toEqual([]);
  await say(fresh.home, conversation, "Bien reçu.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Deux comprimés.", "Revenez en mars.", "Bien reçu."]);
  expect(await alarmOf(hers)).toBeNull();
});

it("asks for nothing before the beginning", async () => {
  for (let i = 0; i < 60; i += 1) await say(hers.home, conversation, `Message ${i}.`);
  await until(() => server.envelopes(conversation).length === 63, 30_000);
  trim(server, conversation, over());
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect((await factsOf(fresh))?.trimmed).toEqual(over());
  expect(await fresh.home.log.older(conversation, 200)).toBe(true);
  expect((await factsOf(fresh))?.from).toBe(4);
  expect(await fresh.home.log.older(conversation, 200)).toBe(false);
  expect((await noticeOf(fresh)).slice(0, 2)).toEqual(["notice.trimmed", "Revenez en mars."]);
  expect(await alarmOf(fresh)).toBeNull();
}, 60_000);

it("reads its conversations anew when its feed has lost what came between", async () => {
  his.tab.online.set(false);
  server.cutSockets();
  server.now = now - 90 * DAY;
  await say(hers.home, conversation, "Entre-temps.");
  const other = await conversationOf(hers.home, patient.account, "Une autre chose.");
  server.now = now;
  await say(hers.home, conversation, "Maintenant.");
  await until(() => server.envelopes(conversation).length === 5);
  shortenFeeds(server, 1);
  his.tab.online.set(true);
  await untilTexts(his.home, conversation, ["Bonjour.", "Deux comprimés.", "Revenez en mars.", "Entre-temps.", "Maintenant."]);
  await untilTexts(his.home, other, ["Une autre chose."]);
  expect(await alarmOf(his)).toBeNull();
  expect(await his.home.log.cursor()).toBe(server.accounts.get(patient.account)?.feed.at(-1)?.position);
});

it("takes old places without bytes that it never had, told later in the log", async () => {
  his.tab.online.set(false);
  server.cutSockets();
  server.now = now - 90 * DAY; // the server's clock only informs; what counts is that nothing younger stands before
  const other = await conversationOf(hers.home, patient.account, "Ancien.");
  server.now = now;
  await say(hers.home, other, "Nouveau.");
  await until(() => server.envelopes(other).length === 2);
  trim(server, other, { from: 3, before: now - 60 * DAY });
  his.tab.online.set(true);
  await untilTexts(his.home, other, ["Nouveau."]);
  expect((await his.home.log.facts(other))?.alarm).toBeNull();
});

// ---- a server that lies

it("alarms at bytes that go without a word", async () => {
  his.tab.online.set(false);
  server.cutSockets();
  await say(hers.home, conversation, "Arrêtez le traitement.");
  await until(() => server.envelopes(conversation).length === 4);
  trim(server, conversation, over(6), { log: false });
  his.tab.online.set(true);
  await until(async () => (await alarmOf(his)) === "withheld");
});

it.each([
  ["a term of nothing", 0, () => ({ from: 6, before: now + DAY })],
  ["shorter than any term", 0, () => ({ from: 6, before: now - 20 * DAY })],
  ["younger by its own time", 0, () => over(6)],
  ["old by its own time, but behind something younger", 90, () => over(6)],
])("alarms when a new message is called over: %s", async (_, days, said) => {
  his.tab.online.set(false);
  server.cutSockets();
  server.now = now - days * DAY;
  await say(hers.home, conversation, "Arrêtez le traitement.");
  await until(() => server.envelopes(conversation).length === 4);
  server.now = now;
  trim(server, conversation, said());
  his.tab.online.set(true);
  await until(async () => (await alarmOf(his)) === "withheld");
  expect(await textsOf(his.home, conversation)).not.toContain("Arrêtez le traitement.");
});

it("alarms on a new device at a beginning that stands in no log", async () => {
  trim(server, conversation, over(), { log: false });
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect(await alarmOf(fresh)).toBe("withheld");
});

it("alarms on a new device when the summary says another beginning than the log", async () => {
  trim(server, conversation, over());
  server.conversations.get(conversation)!.trimmed = { ...over(), from: 5 };
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect(await alarmOf(fresh)).toBe("withheld");
});

it("alarms in older pages, too, at a place that nothing explains", async () => {
  for (let i = 0; i < 60; i += 1) await say(hers.home, conversation, `Message ${i}.`);
  await until(() => server.envelopes(conversation).length === 63, 30_000);
  trim(server, conversation, over(), { log: false, summary: false });
  const fresh = await tabOf(patient.code);
  await until(async () => (await factsOf(fresh)) !== undefined);
  expect(await alarmOf(fresh)).toBeNull();
  await fresh.home.log.older(conversation, 200);
  expect(await alarmOf(fresh)).toBe("withheld");
}, 60_000);

it("alarms when a beginning goes back", async () => {
  trim(server, conversation, over());
  await until(async () => (await factsOf(his))?.trimmed?.from === 4);
  server.inject(conversation, (seq, at) => ({ seq, at, type: "trimmed", ...over(3) }));
  await until(async () => (await alarmOf(his)) === "withheld");
});
