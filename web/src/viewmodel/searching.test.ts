/** Looking for words on the device: what is found, what is not, and what is left behind. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MockBrowser } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { until } from "../testing/mock_clock.ts";
import { close, conversationOf, newcomer, openTab, say, untilTexts, type Tab } from "../testing/people.ts";
import { ConversationView } from "./conversation.ts";
import { Finding, Searching } from "./searching.ts";

let server: MockServer;
let claire: Tab;
let jean: Tab;
let browser: MockBrowser;
let conversation: string;
let code: string;

const TEXTS = ["Bonjour.", "Votre œdème diminue-t-il ?", "Oui, l’ŒDÈME va mieux.", "Du jus de pamplemousse ?", "Évitez le Pamplemousse."];

beforeEach(async () => {
  server = new MockServer();
  const doctor = await newcomer(server, "professional");
  const patient = await newcomer(server, "patient");
  browser = new MockBrowser();
  code = patient.code;
  claire = await openTab(server, new MockBrowser(), doctor.code);
  jean = await openTab(server, browser, patient.code);
  conversation = await conversationOf(claire.home, patient.account);
  await untilTexts(jean.home, conversation, TEXTS.slice(0, 1));
  for (const [at, text] of TEXTS.entries()) {
    if (at === 0) continue;
    await say(at % 2 === 1 ? claire.home : jean.home, conversation, text);
    await untilTexts(jean.home, conversation, TEXTS.slice(0, at + 1));
    await untilTexts(claire.home, conversation, TEXTS.slice(0, at + 1));
  }
}, 60_000);

afterEach(() => {
  close(claire);
  close(jean);
});

const settled = (model: Finding | Searching): Promise<void> => until(() => !model.state.value.busy, 10_000, "found");

async function sought(query: string): Promise<Searching["state"]["value"]> {
  const searching = new Searching(jean.home);
  searching.search(query);
  await settled(searching);
  searching.dispose();
  return searching.state.value;
}

const texts = ({ rows }: Searching["state"]["value"]): readonly string[] => rows.map(({ excerpt }) => excerpt.map(({ text }) => text).join(""));

describe("over all conversations", () => {
  it("finds every word in one message, newest first, without accents, ligatures and case", async () => {
    expect(texts(await sought("oedeme"))).toEqual([TEXTS[2], TEXTS[1]]);
    expect(texts(await sought("PAMPLE evitez"))).toEqual([TEXTS[4]]);
    expect(texts(await sought("l'oedeme"))).toEqual([TEXTS[2]]);
    const found = await sought("pamplemousse");
    expect([found.count, found.looked, found.partial]).toEqual([2, 5, false]);
    expect(found.rows.map(({ author, title, subject }) => [author, title.name, subject])).toEqual([
      ["Jean Dupont", "Dr Martin", "Ordonnance"],
      ["Dr Martin", "Dr Martin", "Ordonnance"],
    ]);
    expect((await sought("bonsoir")).count).toBe(0);
    expect((await sought("b")).count).toBeNull();
  });

  it("looks again when a message comes, and no longer finds one that was taken back", async () => {
    const searching = new Searching(jean.home);
    searching.search("pamplemousse");
    await settled(searching);
    await say(claire.home, conversation, "Encore du pamplemousse");
    await until(() => searching.state.value.count === 3, 10_000, "the new one");
    const id = searching.state.value.rows[0]?.message ?? "";
    const target_seq = server.envelopes(conversation).find((one) => one.id === id)?.seq ?? 0;
    server.inject(conversation, (seq, at) => ({ seq, at, type: "retracted", id, by: claire.home.account, target_seq }));
    await until(() => searching.state.value.count === 2, 10_000, "taken back");
    searching.dispose();
  });

  it("leaves nothing readable on the disk, and asks the server for nothing", async () => {
    const asked = server.count(/./);
    const before = await everything();
    expect((await sought("pamplemousse")).count).toBe(2);
    expect(server.count(/./)).toBe(asked);
    expect(await everything()).toBe(before);
    expect(before).not.toMatch(/pamplemousse/iu);
  });
});

/** Every byte that lies in the browser, as Latin letters. */
async function everything(): Promise<string> {
  const storage = await jean.tab.storage();
  const drawers = ["device", "own", "accounts", "conversations", "events", "outbox", "uploads"] as const;
  const found: string[] = [];
  for (const drawer of drawers) {
    for (const [from, to] of [["", "\uffff"], [[""], ["\uffff", 1]]] as const) {
      for (const { key, value } of await storage.range(drawer, from, to)) found.push(JSON.stringify([key, value], (_, one: unknown) => (one instanceof Uint8Array ? String.fromCharCode(...one) : one)));
    }
  }
  return found.join("\n");
}

describe("in the conversation on the screen", () => {
  it("goes from the newest to the older and round, and brings each into the list", async () => {
    const view = new ConversationView(jean.client, jean.home, conversation, () => undefined);
    await until(() => !view.state.value.loading, 10_000, "the conversation");
    const finding = new Finding(jean.home, conversation, (seq) => view.reach(seq));
    const shown = (): string | undefined => view.state.value.entries.flatMap((one) => (one.kind === "message" && one.id === finding.state.value.shown?.message ? [one.text] : []))[0];
    finding.search("oedeme");
    await settled(finding);
    expect([finding.state.value.at, finding.state.value.count, shown()]).toEqual([1, 2, TEXTS[2]]);
    finding.older();
    await until(() => finding.state.value.at === 2, 5_000, "the older one");
    expect(shown()).toBe(TEXTS[1]);
    finding.older();
    await until(() => finding.state.value.at === 1, 5_000, "round");
    finding.newer();
    await until(() => finding.state.value.at === 2, 5_000, "round again");
    const same = finding.state.value.shown;
    await say(claire.home, conversation, "Autre chose");
    await until(() => finding.state.value.looked === 6 && !finding.state.value.busy, 10_000, "looked again");
    expect(finding.state.value.shown).toBe(same); // the reader stays where they are
    finding.search("");
    expect([finding.state.value.count, finding.state.value.words]).toEqual([null, []]);
    finding.dispose();
    view.dispose();
  });

  it("begins with what was found elsewhere, and says that older messages are not here", async () => {
    close(jean);
    for (let more = 0; more < 60; more += 1) await say(claire.home, conversation, `Ligne ${more}`);
    await until(() => server.envelopes(conversation).length >= 65, 30_000, "sent");
    const fresh = await openTab(server, new MockBrowser(), code);
    await until(async () => (await fresh.home.log.facts(conversation)) !== undefined, 10_000, "here");
    const view = new ConversationView(fresh.client, fresh.home, conversation, () => undefined);
    const finding = new Finding(fresh.home, conversation, (seq) => view.reach(seq));
    finding.seek({ query: "pamplemousse", message: "?" });
    await settled(finding);
    expect([finding.state.value.count, finding.state.value.partial]).toEqual([0, true]);
    await finding.further();
    await until(() => finding.state.value.count === 2, 10_000, "fetched and found");
    expect(finding.state.value.partial).toBe(false);
    finding.dispose();
    view.dispose();
    close(fresh);
  });
});
