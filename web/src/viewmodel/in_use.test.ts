/** One account a device: another comes in only when the person says so, and nobody loses what waits to be sent by accident. */

import { afterEach, beforeEach, expect, it } from "vitest";

import { Client } from "../model/client.ts";
import { loadDevice } from "../model/device.ts";
import { refuse } from "../testing/mock_answers.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser, realClock } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, say, untilTexts, type Known, type Tab } from "../testing/people.ts";
import { App } from "./app.ts";
import type { UnlockModel } from "./types.ts";
import { Unlock } from "./unlock.ts";

let server: MockServer;
let browser: MockBrowser;
let doctor: Known;
let patient: Known;
let hers: Tab;
let his: Tab;
let conversation: string;

beforeEach(async () => {
  server = new MockServer();
  browser = new MockBrowser();
  doctor = await newcomer(server, "professional");
  patient = await newcomer(server, "patient");
  hers = await openTab(server, browser, doctor.code);
  his = await openTab(server, new MockBrowser(), patient.code);
  conversation = await conversationOf(hers.home, patient.account);
});

afterEach(() => {
  close(hers);
  close(his);
});

/** The first page, in the tab that is open, with a code typed. */
function door(code: string): { readonly unlock: Unlock; readonly entered: () => boolean } {
  let inside = false;
  const unlock = new Unlock({ client: hers.client, account: () => null, letter: () => undefined, inside: () => (inside = true) });
  unlock.type(code);
  return { unlock, entered: () => inside };
}

it("asks before another account takes the device, and says what would be lost", async () => {
  server.trick({ on: /envelopes/, times: 99, lose: "request" });
  await say(hers.home, conversation, "Pas encore partie.");
  const { unlock, entered } = door(patient.code);
  await unlock.submit();
  expect(unlock.state.value.inUse).toEqual({ name: "", unsent: 1 });
  expect(unlock.state.value.problem).toBeNull();
  expect(entered()).toBe(false);
  expect((await loadDevice(hers.tab, await hers.tab.storage()))?.record.account).toBe(doctor.account);
});

it("leaves everything as it was when the person cancels", async () => {
  const { unlock, entered } = door(patient.code);
  await unlock.submit();
  unlock.keep();
  expect(unlock.state.value.inUse).toBeNull();
  expect(entered()).toBe(false);
  await say(hers.home, conversation, "Toujours moi.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Toujours moi."]);
});

it("closes the first account in every tab when the person says so, and opens the other", async () => {
  const second = await openTab(server, browser, null);
  const { unlock, entered } = door(patient.code);
  await unlock.submit();
  await unlock.takeOver();
  expect(entered()).toBe(true);
  expect(hers.client.home?.account).toBe(patient.account);
  await until(() => second.client.home === null);
  close(second);
});

it("takes the device that is here when the same person types the code again", async () => {
  const before = server.accounts.get(doctor.account)!.links.length;
  const device = (await loadDevice(hers.tab, await hers.tab.storage()))?.keys.id;
  const { unlock, entered } = door(doctor.code);
  await unlock.submit();
  expect(entered()).toBe(true);
  expect(server.accounts.get(doctor.account)!.links).toHaveLength(before);
  expect((await loadDevice(hers.tab, await hers.tab.storage()))?.keys.id).toBe(device);
});

it("keeps the device and what waits on it when a new try breaks off", async () => {
  server.trick({ on: /envelopes/, times: 99, lose: "request" });
  await say(hers.home, conversation, "Pas encore partie.");
  server.trick({ on: /^GET \/v1\/me/, times: 9, answer: refuse(500, "internal") });
  const { unlock } = door(doctor.code);
  await unlock.submit();
  expect(unlock.state.value.problem).toMatchObject({ code: "internal" });
  close(hers);
  hers = await openTab(server, browser, null);
  expect(await hers.home.outbox.unsent()).toBe(1);
});

it("makes no account beside one that is open", async () => {
  await expect(hers.client.activate("AAAA", "Dr Durand")).rejects.toMatchObject({ code: "device_in_use" });
  expect((await loadDevice(hers.tab, await hers.tab.storage()))?.record.account).toBe(doctor.account);
});

it("shows no door to somebody who is inside, unless a code was brought", async () => {
  const tab = browser.tab({ ...server.browser(), clock: realClock });
  tab.visit("/u");
  const client = new Client(tab);
  const app = new App(client);
  await app.start();
  expect(app.state.value.route).toEqual({ name: "inbox" });
  expect(tab.address.current.path).toBe("/");
  app.go({ name: "settings" });
  tab.visit("/u"); // the way back
  expect(app.state.value.route).toEqual({ name: "inbox" });
  tab.visit("/u", patient.code);
  expect(app.state.value.route).toEqual({ name: "unlock" });
  expect(app.unlock().state.value.code.text).toBe(patient.code);
  close({ tab, client, home: client.home! });
});

it("leads back to another place, however often one has asked for this one", async () => {
  const tab = browser.tab({ ...server.browser(), clock: realClock });
  const client = new Client(tab);
  const app = new App(client);
  await app.start();
  app.go({ name: "inbox" }); // as each choice in the menu of the list does
  expect(tab.steps).toBe(0);
  app.go({ name: "settings" });
  app.go({ name: "settings" });
  expect([tab.steps, tab.address.current.path]).toEqual([1, "/settings"]);
  close({ tab, client, home: client.home! });
});

it("keeps a code that was brought when the page is loaded with it", async () => {
  const tab = browser.tab({ ...server.browser(), clock: realClock });
  tab.visit("/u", patient.code);
  const client = new Client(tab);
  const app = new App(client);
  let shown: UnlockModel | null = null;
  app.state.subscribe(({ phase }) => {
    if (phase === "open") shown ??= app.unlock(); // the page shows the first screen as soon as it may
  });
  await app.start();
  expect(app.state.value.route).toEqual({ name: "unlock" });
  expect(shown!.state.value.code.text).toBe(patient.code);
  close({ tab, client, home: client.home! });
});
