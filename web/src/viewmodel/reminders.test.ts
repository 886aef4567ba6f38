/** Reminders of the device itself: once, not beside the practice's own, never at night, with words that say nothing. */

import { afterEach, beforeEach, expect, it } from "vitest";

import { writeAct, type ActFields, type ActName } from "../model/appointments.ts";
import { MockClock, until } from "../testing/mock_clock.ts";
import { MockBrowser } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, untilTexts, type Tab } from "../testing/people.ts";
import { Appointments } from "./appointments.ts";
import { Reminders } from "./reminders.ts";

const WORDS = { title: "Pli", body: "Vous avez un rappel." };
const utc = (text: string): number => Date.parse(`${text}Z`);
const START = utc("2027-01-22T14:00"); // 15:00 in Paris; the server's log begins on 2027-01-15 at 9:00 in Paris
const D7 = utc("2027-01-15T17:30"); // half an hour after the automate's moment
const DAY = 86_400_000;
const D1 = utc("2027-01-21T17:30");

let server: MockServer;
let opened: Tab[];
let models: Reminders[];
let patient: { readonly account: string; readonly code: string };
let doctor: Tab;
let conversation: string;
let appointment: string;

beforeEach(async () => {
  server = new MockServer();
  [opened, models] = [[], []];
  const claire = await newcomer(server, "professional");
  patient = await newcomer(server, "patient");
  doctor = await openTab(server, new MockBrowser(), claire.code);
  const jean = await openTab(server, new MockBrowser(), patient.code);
  opened.push(doctor, jean);
  conversation = await conversationOf(doctor.home, patient.account);
  await untilTexts(jean.home, conversation, ["Bonjour."]);
  const slot = { start: START, end: START + 1_200_000, ref: "" };
  const about = { what: "Cardiologie", place: "Cabinet", zone: "Europe/Paris", mode: "practice", link: "", bring: [], cancel_before: 0, concerned: null, note: "" } as const;
  await act(doctor, "propose", null, { slots: [slot], expires: START, ...about });
  const his = new Appointments(jean.home, conversation);
  const card = (): ReturnType<typeof cardsOf>[number] | undefined => cardsOf(his).at(-1);
  await until(() => card()?.standing === "proposed", 20_000, "the proposal");
  appointment = card()?.id ?? "";
  await his.choose(appointment, 0);
  const hers = new Appointments(doctor.home, conversation);
  await until(() => cardsOf(hers)[0]?.standing === "accepted", 20_000, "the choice");
  await hers.confirm(appointment);
  await until(() => card()?.standing === "booked", 20_000, "the booking");
  his.dispose();
  hers.dispose();
});

afterEach(() => {
  models.forEach((model) => { model.dispose(); });
  opened.forEach(close);
});

const cardsOf = (of: Appointments) => [...of.state.value.rows.values()].flatMap((row) => (row.kind === "card" ? [row.card] : []));

async function act<A extends ActName>(by: Tab, name: A, of: string | null, fields: ActFields<A>): Promise<void> {
  const payload = writeAct(name, of, fields, name === "propose" ? "open" : "keep");
  await by.home.say(conversation, { said: { type: "appointment", payload }, attachments: [], reply: "keep", readSeq: null });
}

type About = { readonly browser?: MockBrowser; readonly zone?: string; readonly on?: boolean; readonly opens?: number };

/** A device of the patient whose clock the test moves; Pli is opened on it at `opens`. */
async function device({ browser = new MockBrowser(), zone = "Europe/Paris", on = true, opens = 0 }: About = {}): Promise<{ tab: Tab; clock: MockClock; model: Reminders; at: (time: number) => Promise<void> }> {
  const clock = new MockClock();
  const tab = await openTab(server, browser, patient.code, clock);
  tab.tab.zone = zone;
  opened.push(tab);
  await until(async () => (await tab.home.log.facts(conversation))?.right !== undefined, 20_000, "the conversation");
  await clock.pass(Math.max(0, opens - tab.home.now()));
  const model = new Reminders(tab.home, () => WORDS);
  models.push(model);
  await model.look();
  if (on) await model.turnOn();
  const at = async (time: number): Promise<void> => {
    await clock.pass(time - tab.home.now());
    await model.look();
  };
  return { tab, clock, model, at };
}

it("reminds of what the practice noted, which nobody has accepted", async () => {
  const slot = { start: START + DAY, end: START + DAY + 1_200_000, ref: "told:1" };
  const about = { what: "", place: "", zone: "Europe/Paris", mode: "practice", link: "", bring: [], cancel_before: 0, concerned: null, note: "" } as const;
  await act(doctor, "booked", null, { slot, source: "agenda", ...about });
  const { model, at } = await device();
  await at(D7 + DAY + 60_000);
  await until(() => model.state.value.due.some(({ slot: { start } }) => start === slot.start), 20_000, "the reminder");
  expect(model.state.value.due.map(({ slot: { start } }) => start)).toEqual([START, slot.start]);
});

it("says once, outside and inside, what nobody has said, and is done when it was seen", async () => {
  const { tab, model, at } = await device();
  expect(model.state.value.notices).toBe("on");
  await at(D7 - 60_000);
  expect(model.state.value.due).toEqual([]);
  await at(D7 + 60_000);
  expect(model.state.value.due).toMatchObject([{ conversation, slot: { start: START }, zone: "Europe/Paris", concerned: null }]);
  expect([...tab.tab.shownNotices]).toEqual([["reminder", WORDS]]);
  await at(D7 + 120_000);
  await model.seen(model.state.value.due[0]?.key ?? "");
  expect(model.state.value.due).toEqual([]);
  expect(tab.tab.shownNotices.size).toBe(0);
  expect(tab.tab.noticesShown).toBe(1);
});

it("says it once in two tabs, and again not after a reload", async () => {
  const browser = new MockBrowser();
  const [one, two] = [await device({ browser }), await device({ browser })];
  two.tab.tab.permission = "granted";
  await one.at(D7 + 60_000);
  await two.at(D7 + 60_000);
  const again = await device({ browser, on: false });
  again.tab.tab.permission = "granted";
  await again.at(D7 + 60_000);
  expect(again.model.state.value).toMatchObject({ notices: "on", due: [{ conversation }] });
  expect([one, two, again].map(({ tab }) => tab.tab.noticesShown)).toEqual([1, 0, 0]);
});

it("leaves the word to the practice's automate, and takes its own back when that comes late", async () => {
  const { tab, model, at } = await device();
  await act(doctor, "reminder", appointment, { start: START, lead: "d7" });
  await until(async () => { await model.look(); return (await tab.home.log.entries(conversation, Number.MAX_SAFE_INTEGER, 50)).length >= 6; }, 20_000, "the reminder");
  await at(D7 + 60_000);
  expect(model.state.value.due).toEqual([]);
  await at(D1 + 60_000);
  expect(model.state.value.due).toHaveLength(1);
  expect(tab.tab.noticesShown).toBe(1);
  await act(doctor, "reminder", appointment, { start: START, lead: "d1" });
  await until(async () => { await model.look(); return model.state.value.due.length === 0; }, 20_000, "the automate's own");
  expect(tab.tab.shownNotices.size).toBe(0);
});

it("is silent at night of the place and of the device, and shows inside what was missed", async () => {
  const early = utc("2027-01-22T06:30"); // 7:30 in Paris, after six days in which nothing was open
  const paris = await device({ opens: early });
  const martinique = await device({ opens: early, zone: "America/Martinique" });
  for (const { tab, model, at } of [paris, martinique]) {
    await at(early);
    expect(model.state.value.due).toHaveLength(1);
    expect(tab.tab.noticesShown).toBe(0);
  }
  const morning = utc("2027-01-22T07:00"); // 8:00 in Paris, 3:00 at the device far away
  await paris.at(morning);
  await martinique.at(morning);
  expect([paris, martinique].map(({ tab }) => tab.tab.noticesShown)).toEqual([1, 0]);
  const late = utc("2027-01-22T12:00"); // d1 is too late for a notification; h2 is due in half an hour
  await martinique.at(late);
  expect(martinique.tab.tab.noticesShown).toBe(0);
  await martinique.at(utc("2027-01-22T12:31")); // 8:31 there
  expect(martinique.tab.tab.noticesShown).toBe(1);
  await paris.at(START + 1);
  expect(paris.model.state.value.due).toEqual([]);
});

it("asks only at a gesture, can be turned off, and shows inside whatever the browser allows", async () => {
  const { tab, model, at } = await device({ on: false });
  expect(model.state.value.notices).toBe("ask");
  await at(D7 + 60_000);
  expect([model.state.value.due.length, tab.tab.noticesShown]).toEqual([1, 0]);
  await model.turnOn();
  expect([model.state.value.notices, tab.tab.noticesShown]).toEqual(["on", 1]);
  await model.turnOff();
  expect([model.state.value.notices, tab.tab.shownNotices.size]).toEqual(["off", 0]);
  tab.tab.permission = "denied";
  await model.look();
  expect([model.state.value.notices, model.state.value.due.length]).toEqual(["blocked", 1]);
});

it("forgets what was called off", async () => {
  const { tab, model, at } = await device();
  await at(D7 + 60_000);
  expect(model.state.value.due).toHaveLength(1);
  await act(doctor, "cancel", appointment, { note: "", source: "person" });
  await until(async () => { await model.look(); return model.state.value.due.length === 0; }, 20_000, "the cancellation");
  expect(tab.tab.shownNotices.size).toBe(0);
});
