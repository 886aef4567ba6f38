/** A server that leaves something out, or says another reply right than was signed: docs/spec/protocol.md 7.4, 7.5. */

import { afterEach, beforeEach, expect, it } from "vitest";

import type { Policy } from "../api/types.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, openTab, pairOf, say, untilTexts, type Known, type Tab } from "../testing/people.ts";

let server: MockServer;
let doctor: Known;
let patient: Known;
let hers: Tab;
let his: Tab;
let conversation: string;
let opened: Tab[];

async function tabOf(code: string): Promise<Tab> {
  const tab = await openTab(server, new MockBrowser(), code);
  opened.push(tab);
  return tab;
}

beforeEach(async () => {
  server = new MockServer();
  ({ doctor, patient, hers, his, conversation } = await pairOf(server));
  opened = [hers, his];
}, 60_000);

afterEach(() => {
  opened.forEach(close);
});

const alarmOf = async (tab: Tab): Promise<string | null | undefined> => (await tab.home.log.facts(conversation))?.alarm;

/** What an honest server writes behind a message that changes the reply right; it also says so in its summaries. */
function mirror(policy: Policy): void {
  server.conversations.get(conversation)!.policy = policy;
  server.inject(conversation, (seq, at) => ({ seq, at, type: "policy", policy, by: doctor.account }));
}

const ended = (): Policy => ({ reply: "ended", until: null, by: doctor.account });
const count = (kind: string): number => server.envelopes(conversation).filter((event) => event.kind === kind).length;

async function end(): Promise<void> {
  await hers.home.say(conversation, { said: { type: "end", payload: { text: "" } }, attachments: [], reply: null, readSeq: null });
  await until(() => count("end") === 1);
}

it("takes the end of an honest server without alarm, and goes on after it", async () => {
  await end();
  mirror(ended());
  await until(async () => (await his.home.log.facts(conversation))?.policy.reply === "ended");
  await say(hers.home, conversation, "Encore ceci.");
  await until(() => count("message") === 2);
  mirror({ reply: "open", until: null, by: doctor.account });
  await say(his.home, conversation, "Merci.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Encore ceci.", "Merci."]);
  expect([await alarmOf(hers), await alarmOf(his)]).toEqual([null, null]);
});

it("alarms before it sends, when the server keeps the end to itself", async () => {
  await end();
  await until(async () => (await his.home.log.facts(conversation))?.right?.reply === "ended");
  expect(await alarmOf(his)).toBeNull(); // the server's word may still be on its way
  await say(his.home, conversation, "Je peux ?");
  await until(async () => (await his.home.outbox.of(conversation))[0]?.state.name === "refused");
  expect((await his.home.outbox.of(conversation))[0]?.state).toEqual({ name: "refused", code: "mirror_mismatch" });
  expect(await alarmOf(his)).toBe("mirror_mismatch");
  expect(count("message")).toBe(1);
});

it("alarms when another event comes where the reply right had to change", async () => {
  await end();
  server.inject(conversation, (seq, at) => ({ seq, at, type: "left", account: doctor.account }));
  await until(async () => (await alarmOf(his)) === "mirror_mismatch");
});

it("alarms when the reply right changes and nobody signed it", async () => {
  mirror(ended());
  await until(async () => (await alarmOf(his)) === "mirror_mismatch");
});

it("alarms on a new device that is told another reply right than the messages say", async () => {
  await end();
  mirror(ended());
  server.conversations.get(conversation)!.policy = { reply: "open", until: null, by: null };
  server.conversations.get(conversation)!.events.pop();
  const fresh = await tabOf(patient.code);
  await until(async () => (await alarmOf(fresh)) !== undefined);
  expect(await alarmOf(fresh)).toBe("mirror_mismatch");
});

it("alarms at a gap in the log, also where no message names what is missing", async () => {
  his.tab.online.set(false);
  server.cutSockets();
  await say(hers.home, conversation, "Arrêtez le traitement.");
  await until(() => count("message") === 2);
  server.inject(conversation, (seq, at) => ({ seq, at, type: "policy", policy: server.conversations.get(conversation)!.policy, by: doctor.account }));
  server.hide(conversation, (event) => event.seq === 3);
  his.tab.online.set(true);
  await until(async () => (await alarmOf(his)) === "withheld");
});
