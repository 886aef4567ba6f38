/** What can go wrong between a device, its tabs, the network and the server; each told as the person would notice it. */

import { afterEach, beforeEach, expect, it } from "vitest";

import { until } from "../testing/mock_clock.ts";
import { MockBrowser, realClock } from "../testing/mock_platform.ts";
import { refuse } from "../testing/mock_answers.ts";
import { MockServer } from "../testing/mock_server.ts";
import { timeline } from "../viewmodel/timeline.ts";
import { loadDevice } from "./device.ts";
import { close, conversationOf, newcomer, openTab, say, textsOf, untilTexts, type Known, type Tab } from "../testing/people.ts";

const ENVELOPE = /^POST .*\/envelopes$/;

let server: MockServer;
let doctor: Known;
let patient: Known;
let doctorBrowser: MockBrowser;
let hers: Tab;
let his: Tab;
let conversation: string;
let opened: Tab[];

async function tabOf(browser: MockBrowser, code: string): Promise<Tab> {
  const tab = await openTab(server, browser, code);
  opened.push(tab);
  return tab;
}

beforeEach(async () => {
  server = new MockServer();
  opened = [];
  [doctor, patient] = [await newcomer(server, "professional"), await newcomer(server, "patient")];
  doctorBrowser = new MockBrowser();
  hers = await tabOf(doctorBrowser, doctor.code);
  his = await tabOf(new MockBrowser(), patient.code);
  conversation = await conversationOf(hers.home, patient.account);
  await untilTexts(his.home, conversation, ["Bonjour."]);
}, 60_000);

afterEach(() => {
  opened.forEach(close);
});

const sent = (): number => server.envelopes(conversation).filter(({ kind }) => kind === "message").length;

it("keeps what is written offline, over a reload, and sends it once", async () => {
  hers.tab.online.set(false);
  await say(hers.home, conversation, "Sans réseau.");
  await until(async () => (await hers.home.outbox.of(conversation))[0]?.state.name === "waiting");
  close(hers);

  hers = await tabOf(doctorBrowser, doctor.code);
  await untilTexts(his.home, conversation, ["Bonjour.", "Sans réseau."]);
  await until(async () => (await hers.home.outbox.of(conversation)).length === 0);
  expect(sent()).toBe(2);
});

it("sends the same bytes again when the answer was lost", async () => {
  // Nothing is pushed: only the second attempt can tell what became of the first.
  server.silent = true;
  server.trick({ on: ENVELOPE, times: 1, lose: "answer" });
  await say(hers.home, conversation, "Une seule fois.");
  await until(async () => (await hers.home.outbox.of(conversation))[0]?.state.name === "accepted");
  expect([server.count(ENVELOPE), sent()]).toEqual([2, 2]);
  server.silent = false;
  await say(his.home, conversation, "Merci.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Une seule fois.", "Merci."]);
  expect(await hers.home.outbox.of(conversation)).toEqual([]);
});

it("goes on with the kept envelope when the tab closes in the middle of sending", async () => {
  let release: () => void = () => undefined;
  const hold = new Promise<void>((resolve) => (release = resolve));
  server.trick({ on: ENVELOPE, times: 1, hold });
  await say(hers.home, conversation, "Au milieu.");
  await until(() => server.count(ENVELOPE) === 1);
  const [kept] = await hers.home.outbox.of(conversation);
  expect(kept?.sealed).not.toBeNull();
  close(hers);
  doctorBrowser.locks.release();

  const again = await tabOf(doctorBrowser, doctor.code);
  await until(() => sent() === 2);
  // The request of the dead tab arrives late.
  release();
  await untilTexts(again.home, conversation, ["Bonjour.", "Au milieu."]);
  expect(sent()).toBe(2);
  expect(server.envelopes(conversation).at(-1)?.id).toBe(kept?.sealed?.id);
});

it("seals again under the new epoch when the members changed meanwhile, and nothing is said twice", async () => {
  const colleague = await newcomer(server, "professional");
  const office = await tabOf(new MockBrowser(), doctor.code);
  await until(async () => (await office.home.log.facts(conversation)) !== undefined);
  server.silent = true;
  await office.home.writing.add(conversation, colleague.account, "none");
  server.silent = false;
  await say(hers.home, conversation, "Après l'arrivée.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Après l'arrivée."]);
  expect(server.envelopes(conversation).at(-1)?.epoch).toBe(2);
  expect(sent()).toBe(2);
});

it("fills a gap of the live socket over HTTP", async () => {
  server.silent = true;
  await say(hers.home, conversation, "Un.");
  await until(() => sent() === 2);
  expect(await textsOf(his.home, conversation)).toEqual(["Bonjour."]);
  server.silent = false;
  await say(hers.home, conversation, "Deux.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Un.", "Deux."]);
});

it("comes by long poll when sockets do not work here, and by socket again later", async () => {
  server.socketsWork = false;
  server.cutSockets();
  await until(() => his.client.connection === "polling");
  await say(hers.home, conversation, "Sans prise.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Sans prise."]);
});

it("tells the server what lies on this device only after it lies there", async () => {
  await say(hers.home, conversation, "Reçu ?");
  await untilTexts(his.home, conversation, ["Bonjour.", "Reçu ?"]);
  const { feed } = server.accounts.get(patient.account)!;
  await until(() => server.accounts.get(patient.account)?.acknowledged === feed.length);
});

it("shows a refusal with its reason and keeps the text", async () => {
  server.trick({ on: ENVELOPE, times: 1, answer: refuse(403, "reply_not_allowed") });
  const id = await say(his.home, conversation, "Puis-je ?");
  await until(async () => (await his.home.outbox.of(conversation))[0]?.state.name === "refused");
  const [pending] = await his.home.outbox.of(conversation);
  expect(pending?.state).toEqual({ name: "refused", code: "reply_not_allowed" });
  const back = await his.home.outbox.takeBack(conversation, id);
  expect(back?.intent.said).toMatchObject({ payload: { text: "Puis-je ?" } });
  expect(await his.home.outbox.of(conversation)).toEqual([]);
});

it("takes a message back within its undo time, and never sends it", async () => {
  const said = { type: "text", payload: { text: "Oups.", attachments: [], reply: "open", replaces: null } } as const;
  const pending = await hers.home.say(conversation, { said, attachments: [], reply: "open", readSeq: null }, 10_000);
  expect(await hers.home.outbox.takeBack(conversation, pending.id)).not.toBeNull();
  await say(hers.home, conversation, "Voilà.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Voilà."]);
});

it("stops a conversation whose server forges a record, and lets the others live", async () => {
  const other = await conversationOf(hers.home, patient.account, "Autre sujet.");
  await untilTexts(his.home, other, ["Autre sujet."]);
  const foreign = server.conversations.get(other)!.epochs[0]!;
  server.inject(conversation, (seq, at) => ({ seq, at, type: "epoch", epoch: 2, record: foreign.record, box: null, author: doctor.account }));
  await until(async () => ((await his.home.log.facts(conversation))?.alarm ?? null) !== null);

  await say(his.home, conversation, "Vers un menteur.");
  await until(async () => (await his.home.outbox.of(conversation))[0]?.state.name === "refused");
  expect(sent()).toBe(1);
  await say(his.home, other, "Ici tout va bien.");
  await untilTexts(hers.home, other, ["Autre sujet.", "Ici tout va bien."]);
});

it("notices a message that the server withholds from the one it tells", async () => {
  hers.tab.online.set(false);
  server.cutSockets();
  await say(his.home, conversation, "Première réponse.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Première réponse."]);
  await say(his.home, conversation, "Deuxième réponse.");
  await until(() => sent() === 3);
  server.hide(conversation, (event) => event.type === "envelope" && event.author === patient.account);
  hers.tab.online.set(true);
  await until(async () => (await hers.home.log.facts(conversation))?.alarm === "withheld");
});

it("refuses a chain that the server has shortened", async () => {
  server.accounts.get(patient.account)!.links.pop();
  await expect(hers.home.writing.add(conversation, patient.account, "none")).rejects.toMatchObject({ code: "rollback" });
});

it("alarms when the server's registry key is another one than at first contact", async () => {
  close(hers);
  server.registryKey = server.registryKey.replace(/^./, "A");
  hers = await tabOf(doctorBrowser, doctor.code);
  await expect(hers.home.server()).rejects.toMatchObject({ code: "registry_changed" });
});

it("shares one log and one outbox between two tabs, and the second takes over", async () => {
  const second = await tabOf(doctorBrowser, doctor.code);
  await say(second.home, conversation, "De l'autre onglet.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "De l'autre onglet."]);
  expect(sent()).toBe(2);
  close(hers);
  await say(his.home, conversation, "Et maintenant ?");
  await untilTexts(second.home, conversation, ["Bonjour.", "De l'autre onglet.", "Et maintenant ?"]);
});

it("tells a slip of the finger before anything is asked of the server", async () => {
  const { client } = his;
  const before = server.calls.length;
  const wrong = patient.code.slice(0, -1) + (patient.code.endsWith("0") ? "1" : "0");
  await expect(client.unlockByCode(wrong)).rejects.toMatchObject({ code: "bad_check" });
  await expect(client.unlockByCode("ABC")).rejects.toMatchObject({ code: "bad_code" });
  expect(server.calls.slice(before).filter((call) => call.includes("sessions"))).toEqual([]);
});

it("opens the newest page of ten thousand messages quickly, and pages back", async () => {
  const facts = (await his.home.log.facts(conversation))!;
  const [model] = (await his.home.log.entries(conversation, 1_000, 10)).filter((entry) => entry.type === "envelope");
  const { vault } = (await loadDevice(his.tab, await his.tab.storage()))!;
  const many = Array.from({ length: 10_000 }, (_, i) => ({ ...model!, id: `id-${i}`, seq: i + 3 }));
  await vault.write(await Promise.all(many.map((entry) => vault.put("events", [conversation, entry.seq], entry))));
  await vault.keep("conversations", conversation, { ...facts, last: 10_002 });

  const began = performance.now();
  const newest = await his.home.log.entries(conversation, Number.MAX_SAFE_INTEGER, 50);
  timeline({ facts, me: patient.account, entries: newest, pending: [], progress: () => null, unreadAfter: null, documents: new Map() });
  const took = performance.now() - began;
  expect(newest.map(({ seq }) => seq)).toEqual(Array.from({ length: 50 }, (_, i) => 9_953 + i));
  expect(took).toBeLessThan(200);
  const older = await his.home.log.entries(conversation, newest[0]!.seq, 50);
  expect(older.at(-1)?.seq).toBe(9_952);
}, 60_000);

it("leaves nothing on the device after log-off, in no tab", async () => {
  const second = await tabOf(doctorBrowser, doctor.code);
  await hers.client.logOff();
  await until(() => second.client.home === null);
  const fresh = doctorBrowser.tab({ ...server.browser(), clock: realClock });
  for (const drawer of ["device", "own", "accounts", "conversations", "events", "outbox"] as const) {
    const storage = await fresh.storage();
    expect(await storage.range(drawer, drawer === "events" || drawer === "outbox" ? ["", 0] : "", drawer === "events" || drawer === "outbox" ? ["~", 0] : "~")).toEqual([]);
  }
});

it("keeps no word of a message readable in the storage", async () => {
  await say(hers.home, conversation, "motsecret-42");
  await untilTexts(his.home, conversation, ["Bonjour.", "motsecret-42"]);
  const storage = await his.tab.storage();
  const rows = await storage.range("events", [conversation, 0], [conversation, 1_000]);
  expect(rows.length).toBeGreaterThan(1);
  const bytes = rows.map(({ value }) => Buffer.from((value as { sealed: Uint8Array }).sealed).toString("latin1")).join("");
  expect(bytes).not.toContain("motsecret");
});

it("shows the server's time when the device's clock is a day off", async () => {
  const yesterday = { ...realClock, now: () => Date.now() - 86_400_000 };
  const tab = await openTab(server, new MockBrowser(), patient.code, yesterday);
  opened.push(tab);
  const told = await tab.home.server();
  expect(Math.abs(tab.home.now() - told.now)).toBeLessThan(60_000);
  await say(tab.home, conversation, "D'hier.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "D'hier."]);
});
