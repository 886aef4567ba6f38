/** New keys for a conversation, as docs/spec/protocol.md 6.4 asks: what was lost or used too long opens nothing that follows. */

import { afterEach, beforeEach, expect, it } from "vitest";

import { readRecord } from "../protocol/epoch_record.ts";
import { EPOCH_AGE, EPOCH_MESSAGES } from "../protocol/rotation.ts";
import { unb64 } from "../protocol/codec.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser, realClock } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, openTab, pairOf, say, untilTexts, type Known, type Tab } from "../testing/people.ts";

let server: MockServer;
let doctor: Known;
let patient: Known;
let hers: Tab;
let his: Tab;
let conversation: string;
let opened: Tab[];

async function tabOf(code: string, clock = realClock): Promise<Tab> {
  const tab = await openTab(server, new MockBrowser(), code, clock);
  opened.push(tab);
  return tab;
}

beforeEach(async () => {
  server = new MockServer();
  ({ doctor, patient, hers, his, conversation } = await pairOf(server));
  opened = [hers, his];
  await untilTexts(hers.home, conversation, ["Bonjour."]);
}, 60_000);

afterEach(() => {
  opened.forEach(close);
});

/** As if so many events had followed the newest record: its place in the log is moved back. */
async function afterEvents(count: number): Promise<void> {
  await hers.home.log.amend(conversation, (facts) => {
    const records = facts.records.map((record, i) => (i === facts.records.length - 1 ? { ...record, seq: facts.last - count } : record));
    return { ...facts, records };
  });
}

async function reasons(): Promise<readonly string[]> {
  const { epochs } = server.conversations.get(conversation)!;
  return Promise.all(epochs.map(async ({ record }) => (await readRecord(unb64(record))).reason));
}

/** The next offer of an epoch waits until the returned function is called. */
function held(): () => void {
  let release: () => void = () => undefined;
  const hold = new Promise<void>((resolve) => (release = resolve));
  server.trick({ on: /^POST .*\/epochs$/, times: 1, hold });
  return () => { release(); };
}

const newestEpoch = (): number | undefined => server.envelopes(conversation).at(-1)?.epoch;

it("changes the keys after 5,000 messages, and the other side reads on", async () => {
  expect(EPOCH_MESSAGES).toBe(5_000);
  await afterEvents(4_999);
  await say(hers.home, conversation, "Le dernier sous ces clés.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Le dernier sous ces clés."]);
  expect(await reasons()).toEqual(["create"]);
  await untilTexts(hers.home, conversation, ["Bonjour.", "Le dernier sous ces clés."]);

  await say(hers.home, conversation, "Le premier sous les nouvelles.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Le dernier sous ces clés.", "Le premier sous les nouvelles."]);
  expect(await reasons()).toEqual(["create", "rotate"]);
  expect(newestEpoch()).toBe(2);

  await untilTexts(hers.home, conversation, ["Bonjour.", "Le dernier sous ces clés.", "Le premier sous les nouvelles."]);
  await say(hers.home, conversation, "Encore.");
  await until(() => server.envelopes(conversation).length === 4);
  expect(await reasons()).toEqual(["create", "rotate"]);
});

it("changes the keys after 90 days", async () => {
  expect(EPOCH_AGE).toBe(90 * 24 * 3_600_000);
  const later = { ...realClock, now: () => Date.now() + EPOCH_AGE + 60_000 };
  const tab = await tabOf(doctor.code, later);
  await untilTexts(tab.home, conversation, ["Bonjour."]);
  await say(tab.home, conversation, "Trois mois après.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Trois mois après."]);
  expect([newestEpoch(), await reasons()]).toEqual([2, ["create", "rotate"]]);
});

it("closes what follows to a device that the other side has revoked, without having been told", async () => {
  const lost = (await his.home.own.holders()).find(({ name }) => name === "elsewhere");
  await his.home.own.removeHolder(lost!.id);
  await say(hers.home, conversation, "Après la perte.");
  await untilTexts(his.home, conversation, ["Bonjour.", "Après la perte."]);
  expect([newestEpoch(), await reasons()]).toEqual([2, ["create", "rotate"]]);
  const { members } = await readRecord(unb64(server.conversations.get(conversation)!.epochs[1]!.record));
  expect(members.find(({ id }) => id === patient.account)?.generation).toBe(2);
});

it("makes one epoch when two senders find it due at once", async () => {
  const office = await tabOf(doctor.code);
  await untilTexts(office.home, conversation, ["Bonjour."]);
  await his.home.own.removeHolder((await his.home.own.holders()).find(({ name }) => name === "elsewhere")!.id);
  const [first, second] = [held(), held()];
  await say(hers.home, conversation, "Du cabinet.");
  await say(office.home, conversation, "De la maison.");
  await until(() => server.count(/^POST .*\/epochs$/) === 2);
  first();
  await until(() => server.conversations.get(conversation)!.epochs.length === 2);
  second();
  await until(() => server.envelopes(conversation).length === 3);
  expect(await reasons()).toEqual(["create", "rotate"]);
  expect(server.envelopes(conversation).map(({ epoch }) => epoch)).toEqual([1, 2, 2]);
});

it("asks nobody's chain for a receipt", async () => {
  const upto = server.envelopes(conversation).at(-1)!;
  const before = server.count(/\/chain$/);
  await his.home.receipt(conversation, upto.id, upto.seq, []);
  await until(() => server.envelopes(conversation).length === 2);
  expect(server.count(/\/chain$/)).toBe(before);
  await say(his.home, conversation, "Merci.");
  await until(() => server.envelopes(conversation).length === 3);
  expect(server.count(/\/chain$/)).toBe(before + 2);
});
