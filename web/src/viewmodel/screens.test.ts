/** What the screens show, without a page: codes as typed, addresses, the writing box, the list, refusals. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Unreachable } from "../api/refusal.ts";
import { safeName } from "../model/attachments.ts";
import { Client } from "../model/client.ts";
import { refuse } from "../testing/mock_answers.ts";
import { until } from "../testing/mock_clock.ts";
import { MockBrowser, realClock } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, say, untilTexts, type Tab } from "../testing/people.ts";
import { App } from "./app.ts";
import { PHRASES } from "./catalogue.ts";
import { ConversationView } from "./conversation.ts";
import { Inbox } from "./inbox.ts";
import { codeField } from "./presenting.ts";
import { pathOf, routeOf } from "./routes.ts";
import { documentCard } from "./timeline.ts";

let server: MockServer;
let opened: Tab[];

beforeEach(() => {
  server = new MockServer();
  opened = [];
});

afterEach(() => {
  opened.forEach(close);
});

async function two(): Promise<{ hers: Tab; his: Tab; conversation: string }> {
  const [doctor, patient] = [await newcomer(server, "professional"), await newcomer(server, "patient")];
  const hers = await openTab(server, new MockBrowser(), doctor.code);
  const his = await openTab(server, new MockBrowser(), patient.code);
  opened = [hers, his];
  const conversation = await conversationOf(hers.home, patient.account);
  await untilTexts(his.home, conversation, ["Bonjour."]);
  await until(async () => (await his.home.log.facts(conversation))?.unread === 1); // told after the text, by the next look at the server
  return { hers, his, conversation };
}

it("groups a code as it is typed or pasted, and counts what is missing", () => {
  expect(codeField(" abcd‑ef ", 13)).toEqual({ text: "ABCD-EF", missing: 7, problem: null });
  expect(codeField("ABCDEFGHJKLMNPQRST", 13)).toEqual({ text: "ABCD-EFGH-JKLM-N", missing: 0, problem: null });
});

it("reads every address it writes, and knows which ones hold a secret", () => {
  for (const path of ["/", "/c/abc", "/new", "/new/xyz", "/write", "/write/xyz", "/settings", "/u", "/i"]) {
    expect(pathOf(routeOf({ path, fragment: "" }).route)).toBe(path);
  }
  expect(routeOf({ path: "/i", fragment: "1.a.b" })).toEqual({ route: { name: "invitation", link: "1.a.b" }, secret: true });
  expect(routeOf({ path: "/c/abc", fragment: "x" }).secret).toBe(false);
  expect(routeOf({ path: "/constructor", fragment: "" }).route).toEqual({ name: "inbox" });
});

it("takes the secret out of the address and asks a stranger to unlock first", async () => {
  const tab = new MockBrowser().tab({ ...server.browser(), clock: realClock });
  tab.visit("/u", "AAAA-BBBB");
  const app = new App(new Client(tab));
  await app.start();
  expect(tab.address.current).toEqual({ path: "/u", fragment: "", note: null });
  expect(app.unlock().state.value.code.text).toBe("AAAA-BBBB");
  app.go({ name: "settings" });
  expect(app.state.value.route).toEqual({ name: "unlock" });
});

it("tells why a letter cannot be opened", async () => {
  server.trick({ on: /invitations/, times: 9, answer: refuse(410, "invitation_expired") });
  const tab = new MockBrowser().tab({ ...server.browser(), clock: realClock });
  const app = new App(new Client(tab));
  await app.start();
  const expired = app.invitation("1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA");
  await until(() => expired.state.value.step === "refused");
  expect(expired.state.value).toMatchObject({ problem: { code: "invitation_expired", retry: false } });
  const torn = app.invitation("1.AAA");
  await until(() => torn.state.value.step === "refused");
  expect(torn.state.value).toMatchObject({ problem: { code: "bad_code" } });
});

it("says that this browser lacks what is needed", async () => {
  const tab = new MockBrowser().tab({ ...server.browser(), clock: realClock });
  tab.lacking = "unsupported_browser";
  const app = new App(new Client(tab));
  await app.start();
  expect(app.state.value).toMatchObject({ phase: "locked", problem: { code: "unsupported_browser" } });
});

it("follows a message from the writer to the reader, in words", async () => {
  const { hers, his, conversation } = await two();
  const [desk, phone] = [hers, his].map(({ client, home }) => new ConversationView(client, home, conversation, () => undefined));
  const messages = (view: ConversationView) => view.state.value.entries.filter((entry) => entry.kind === "message");
  await until(() => messages(phone!).length === 1);
  expect(phone!.state.value).toMatchObject({ mayWrite: true, mayEnd: false, replySentence: { key: "reply.open" }, recipient: { name: "Dr Martin" } });
  expect(phone!.state.value.entries.some(({ kind }) => kind === "unread")).toBe(true);

  phone!.seen(phone!.state.value.entries.at(-1)!.id);
  await until(() => messages(desk!)[0]?.state.name === "read");
  await desk!.end("Guéri.");
  await until(() => !phone!.state.value.mayWrite);
  expect(phone!.state.value.replySentence.key).toBe("reply.ended");
  for (const view of [desk!, phone!]) {
    for (const entry of view.state.value.entries) if (entry.kind === "notice") expect(PHRASES).toHaveProperty([entry.phrase.key]);
    view.dispose();
  }
});

it("gives a professional ten seconds, and the text back", async () => {
  const { hers, conversation } = await two();
  const view = new ConversationView(hers.client, hers.home, conversation, () => undefined);
  await until(() => !view.state.value.loading);
  view.composer.write("Mauvaise personne.");
  view.send();
  await until(() => view.state.value.send.name === "undoable");
  expect(view.composer.state.value.text).toBe("");
  view.undo();
  await until(() => view.composer.state.value.text === "Mauvaise personne.");
  expect(await hers.home.outbox.of(conversation)).toEqual([]);
  expect(server.envelopes(conversation)).toHaveLength(1);
  view.dispose();
});

it("refuses an empty file and a text that is too long, and keeps both", async () => {
  const { hers, conversation } = await two();
  const view = new ConversationView(hers.client, hers.home, conversation, () => undefined);
  view.composer.attach([new File([], "vide.pdf", { type: "application/pdf" })]);
  await until(() => view.composer.state.value.documents[0]?.problem?.code === "file_empty");
  expect(view.composer.state.value.canSend).toBe(false);
  view.composer.detach(view.composer.state.value.documents[0]!.id);
  view.composer.write("é".repeat(32_769));
  expect(view.composer.state.value).toMatchObject({ canSend: false, problem: { code: "text_too_long" } });
  view.composer.write("é".repeat(32_768));
  expect(view.composer.state.value).toMatchObject({ canSend: true, problem: null });
  view.dispose();
});

it("says that there is nothing yet as soon as it is known, not that it is loading", async () => {
  const { code } = await newcomer(server, "professional");
  let go = (): void => undefined;
  const hold = new Promise<void>((resolve) => (go = resolve));
  server.trick({ on: /^GET \/v1\/feed/, times: 1, hold });
  const here = await openTab(server, new MockBrowser(), code);
  opened = [here];
  const inbox = new Inbox(here.home);
  expect(inbox.state.value).toMatchObject({ rows: [], loading: true });
  go();
  await until(() => !inbox.state.value.loading, 10_000, "an empty list");
  inbox.dispose();
});

it("lists, searches without accents, filters and counts", async () => {
  const { hers, his, conversation } = await two();
  await say(his.home, conversation, "Été à la mer, douleur au genou.");
  await untilTexts(hers.home, conversation, ["Bonjour.", "Été à la mer, douleur au genou."]);
  const inbox = new Inbox(hers.home);
  await until(() => inbox.state.value.rows.length === 1);
  expect(inbox.state.value.rows[0]).toMatchObject({ title: { name: "Jean Dupont" }, subject: "Ordonnance", unread: 1, preview: { text: "Été à la mer, douleur au genou." } });
  expect(inbox.state.value.counts).toEqual({ all: 1, unread: 1, waiting: 0, ended: 0 });
  inbox.search("ete genou");
  expect(inbox.state.value.rows).toHaveLength(1);
  inbox.search("cheville");
  expect(inbox.state.value.rows).toHaveLength(0);
  inbox.search("");
  inbox.filter("ended");
  expect(inbox.state.value.rows).toHaveLength(0);
  inbox.dispose();
});

it("lets no name, subject or title turn letters around", async () => {
  const { hers, his } = await two();
  const name = "Jean \u202etnopuD\u202c";
  const beginning = await hers.home.beginnings.prepare({
    role: "owner",
    name: "Dr Martin",
    with: { account: his.home.account, role: "patient", name },
    subject: "Bilan \u2066du\u2069 \u202e41",
    first: { text: "Bonjour.", attachments: [], reply: "open", replaces: null },
    reply: "open",
  });
  await hers.home.beginnings.send(beginning);
  const inbox = new Inbox(hers.home);
  await until(() => inbox.state.value.rows.length === 2);
  expect(inbox.state.value.rows.find(({ conversation }) => conversation === beginning.conversation)).toMatchObject({ title: { name: "Jean tnopuD" }, subject: "Bilan du 41" });
  inbox.dispose();
  const reference = { id: "a", name: "ordonnance\u202efdp.exe", title: "\u202eexe.tluser", media_type: "application/pdf", size: 1, document: null };
  const card = documentCard(reference as never, { message: null, openedBy: [], states: new Map() });
  expect(card).toMatchObject({ name: "ordonnancefdp.exe", title: "exe.tluser" });
  expect(safeName("ordonnance\u202efdp.exe")).toBe("ordonnancefdp.exe");
});

it("says what failed where it happened, and rejects to nobody", async () => {
  const { hers, conversation } = await two();
  const view = new ConversationView(hers.client, hers.home, conversation, () => undefined);
  await until(() => !view.state.value.loading, 10_000, "the conversation");
  await expect(view.saveDocument("none", "none")).resolves.toBeUndefined();
  expect(hers.tab.saved).toEqual([]);
  expect(view.state.value.problem).toBeNull(); // of a document its card says it
  vi.spyOn(hers.home, "reinvite").mockRejectedValue(new Unreachable("no answer"));
  await expect(view.renewInvitation()).resolves.toBeNull();
  expect(view.state.value.problem).toMatchObject({ code: "network" });
  hers.tab.online.set(false);
  await view.end("Terminé."); // waits in the outbox, and is no failure
  expect(view.state.value.problem).toBeNull();
  view.dispose();
});
