/** A device that was removed closes and forgets, because its own account says so; because a server says so, never. */

import { beforeEach, describe, expect, it } from "vitest";

import { createAccount, revokeHolder } from "../protocol/account.ts";
import { acceptChain } from "../protocol/account_chain.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { DeviceKeys } from "../protocol/holder.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser, realClock } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, textsOf, untilTexts, type Known, type Tab } from "../testing/people.ts";
import { Client } from "./client.ts";
import { App } from "../viewmodel/app.ts";

let server: MockServer;
let jean: Known;
let phoneBrowser: MockBrowser;
let desk: Tab;
let phone: Tab;
let conversation: string;

const databases = async (): Promise<readonly string[]> => (await indexedDB.databases()).map(({ name }) => name ?? "");
const lies = async (): Promise<boolean> => (await databases()).includes(phoneBrowser.name);

beforeEach(async () => {
  server = new MockServer();
  const claire = await newcomer(server, "professional");
  jean = await newcomer(server, "patient");
  phoneBrowser = new MockBrowser();
  desk = await openTab(server, new MockBrowser(), jean.code);
  phone = await openTab(server, phoneBrowser, jean.code);
  const hers = await openTab(server, new MockBrowser(), claire.code);
  conversation = await conversationOf(hers.home, jean.account);
  await untilTexts(phone.home, conversation, ["Bonjour."]);
  close(hers);
}, 60_000);

/** The holder of a tab's device. */
const holderOf = async ({ home }: Tab): Promise<string> => (await home.author()).device.id;

async function stolen(): Promise<void> {
  const holder = await holderOf(phone);
  await desk.home.own.removeHolder(holder);
  shutOut(holder);
}

/** What the server does with a revoked holder: its sessions and sockets end, and it gets none any more. */
function shutOut(holder: string): void {
  server.shut.add(holder);
  for (const { who, handlers } of [...server.sockets]) if (who === jean.account) handlers.closed();
}

describe("removed by another device of the account", () => {
  it("closes, forgets everything here, in every tab, and says so after a reload too", async () => {
    const second = await openTab(server, phoneBrowser, null);
    const app = new App(phone.client);
    expect(await lies()).toBe(true);
    await stolen();
    await until(() => phone.client.home === null && second.client.home === null, 30_000, "both tabs closed");
    await until(async () => !(await lies()), 30_000, "nothing lies here");
    expect([phone.client.removed, second.client.removed]).toEqual([true, true]);
    await until(() => app.state.value.route.name === "removed", 10_000, "the screen");
    expect(app.state.value.me).toBeNull();

    expect(phone.tab.address.current.path).toBe("/removed");
    const reload = phoneBrowser.tab({ ...server.browser(), clock: realClock });
    reload.visit("/removed", "", phone.tab.address.current.note);
    const reloaded = new App(new Client(reload));
    await reloaded.start();
    expect([reloaded.state.value.phase, reloaded.state.value.route.name]).toEqual(["locked", "removed"]);
    close(desk);
  });

  it("closes at the next start when it was away", async () => {
    close(phone);
    await stolen();
    const again = await openTab(server, phoneBrowser, null);
    await until(() => again.client.home === null, 30_000, "closed");
    await until(async () => !(await lies()), 30_000, "nothing lies here");
    expect(again.client.removed).toBe(true);
  });
});

it("shows nothing of the kind where the address alone says so", async () => {
  const tab = phoneBrowser.tab({ ...server.browser(), clock: realClock });
  tab.visit("/removed", "");
  const app = new App(new Client(tab));
  await app.start();
  await until(() => app.state.value.route.name === "inbox", 10_000, "the messages");
  expect(await lies()).toBe(true);
});

it("says nothing of the kind to a stranger who follows a link, nor to who is in", async () => {
  const stranger = new MockBrowser().tab({ ...server.browser(), clock: realClock });
  stranger.visit("/removed");
  const app = new App(new Client(stranger));
  await app.start();
  expect([app.state.value.phase, app.state.value.route.name, stranger.address.current.path]).toEqual(["locked", "unlock", "/u"]);
  stranger.visit("/removed");
  expect(app.state.value.route.name).toBe("unlock");

  const inside = new App(phone.client);
  await inside.start();
  await until(() => inside.state.value.phase === "open", 10_000, "in");
  phone.tab.visit("/removed", "", "removed");
  expect([inside.state.value.route.name, phone.tab.address.current.path]).toEqual(["inbox", "/"]);
  expect(await lies()).toBe(true);
});

it("lets the person in again, in every tab that was open", async () => {
  const second = await openTab(server, phoneBrowser, null);
  await stolen();
  await until(() => phone.client.home === null && second.client.home === null, 30_000, "both tabs closed");
  await until(async () => !(await lies()), 30_000, "nothing lies here");
  await second.client.unlockByCode(jean.code);
  expect(second.client.home).not.toBeNull();
});

describe("a server that lies", () => {
  const settled = async (): Promise<void> => {
    await until(() => server.count(/POST \/v1\/sessions\/ended/) > 0, 30_000, "it was asked");
    await until(() => phone.client.connection === "ended", 30_000, "the session is over");
    await new Promise((wake) => setTimeout(wake, 200)); // what it was told is judged in less than that
    expect(phone.client.home).toBe(phone.home);
    expect(phone.client.removed).toBe(false);
    expect(await textsOf(phone.home, conversation)).toEqual(["Bonjour."]);
    expect(await lies()).toBe(true);
  };

  it.each([
    ["nothing signed", () => []],
    ["what is no link", () => [b64(new Uint8Array(80))]],
    ["the beginning of the chain again", (links: readonly string[]) => links.slice(0, 1)],
  ] as const)("shows %s and wipes nothing", async (_, ending) => {
    server.ending = (links) => ending(links);
    shutOut(await holderOf(phone));
    await settled();
  });

  it("signs the end with a key of its own and wipes nothing", async () => {
    const chain = await acceptChain(server.accounts.get(jean.account)!.links.map((link) => unb64(link)));
    const thief = await DeviceKeys.create();
    const other = await createAccount({ device: thief, deviceName: "x", at: 1 });
    const forged = await revokeHolder({ chain, signer: thief, holder: await holderOf(phone), at: 1, secret: other.secrets.newest }).catch(() => null);
    server.ending = () => forged?.links.map((link) => b64(link)) ?? other.links.map((link) => b64(link));
    shutOut(await holderOf(phone));
    await settled();
  });

  it("shows the end of another device and wipes nothing", async () => {
    await desk.home.own.removeHolder(await holderOf(await openTab(server, new MockBrowser(), jean.code)));
    shutOut(await holderOf(phone));
    await settled();
  });
});
