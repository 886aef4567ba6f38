/** People for tests against the MockServer: real keys, real chains, opened on tabs by their recovery code. */

import { Client } from "../model/client.ts";
import type { Home } from "../model/home.ts";
import type { LogEntry } from "../model/log_entry.ts";
import type { Clock } from "../platform/platform.ts";
import { createAccount } from "../protocol/account.ts";
import { b64 } from "../protocol/codec.ts";
import { DeviceKeys } from "../protocol/holder.ts";
import { until } from "./mock_clock.ts";
import { MockBrowser, realClock, type MockTab } from "./mock_platform.ts";
import type { MockServer } from "./mock_server.ts";

export type Known = { readonly account: string; readonly code: string };

/** Somebody with an account, whose first device is elsewhere. */
export async function newcomer(server: MockServer, role: "professional" | "patient"): Promise<Known> {
  const device = await DeviceKeys.create();
  const made = await createAccount({ device, deviceName: "elsewhere", at: 1_800_000_000_000 });
  const boxes = made.boxes.map((box) => ({ ...box, box: b64(box.box) }));
  return { account: await server.enter(made.links, boxes, role), code: made.recoveryCode };
}

export type Tab = { readonly tab: MockTab; readonly client: Client; readonly home: Home };

/** A tab that opens what lies in its browser, or else unlocks with `code`. */
export async function openTab(server: MockServer, browser: MockBrowser, code: string | null, clock: Clock = realClock): Promise<Tab> {
  const tab = browser.tab({ ...server.browser(), clock });
  const client = new Client(tab);
  await client.start();
  if (client.home === null && code !== null) await client.unlockByCode(code);
  const { home } = client;
  if (home === null) throw new Error("still locked");
  return { tab, client, home };
}

/** The tab is closed or reloaded: everything in memory is gone. */
export function close({ client, home }: Tab): void {
  home.stop();
  client.changes.close();
}

/** A doctor's conversation with a patient, its first text sent. */
export async function conversationOf(doctor: Home, patient: string, text = "Bonjour."): Promise<string> {
  const beginning = await doctor.beginnings.prepare({
    role: "owner",
    name: "Dr Martin",
    with: { account: patient, role: "patient", name: "Jean Dupont" },
    subject: "Ordonnance",
    first: { text, attachments: [], reply: "open", replaces: null },
    reply: "open",
  });
  await doctor.beginnings.send(beginning);
  return beginning.conversation;
}

export async function say(home: Home, conversation: string, text: string): Promise<string> {
  const reply = home.professional ? ("open" as const) : null;
  const said = { type: "text", payload: { text, attachments: [], reply, replaces: null } } as const;
  const pending = await home.say(conversation, { said, attachments: [], reply, readSeq: null });
  return pending.id;
}

export async function textsOf(home: Home, conversation: string): Promise<readonly string[]> {
  const entries = await home.log.entries(conversation, Number.MAX_SAFE_INTEGER, 1_000);
  return entries.flatMap(textOf);
}

export async function untilTexts(home: Home, conversation: string, texts: readonly string[]): Promise<void> {
  await until(
    async () => (await textsOf(home, conversation)).join("|") === texts.join("|"),
    30_000,
    `the texts ${texts.join("|")}`,
  );
}

function textOf(entry: LogEntry): readonly string[] {
  const said = entry.type === "envelope" ? entry.message?.content.said : undefined;
  return said?.type === "text" ? [said.payload.text] : [];
}

export type Pair = { readonly doctor: Known; readonly patient: Known; readonly hers: Tab; readonly his: Tab; readonly conversation: string };

/** A doctor and her patient, each on a device of their own, and what she has written first: he has it. */
export async function pairOf(server: MockServer, text = "Bonjour."): Promise<Pair> {
  const [doctor, patient] = [await newcomer(server, "professional"), await newcomer(server, "patient")];
  const hers = await openTab(server, new MockBrowser(), doctor.code);
  const his = await openTab(server, new MockBrowser(), patient.code);
  const conversation = await conversationOf(hers.home, patient.account, text);
  await untilTexts(his.home, conversation, [text]);
  return { doctor, patient, hers, his, conversation };
}
