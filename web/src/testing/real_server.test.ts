/** The main path with the real client, the real cryptography and the real server: everything but the screen. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { Client } from "../model/client.ts";
import { App } from "../viewmodel/app.ts";
import type { ConversationModel, Entry, InvitationToShow, RecoveryCode } from "../viewmodel/types.ts";
import { until } from "./mock_clock.ts";
import { MockBrowser, realClock, type MockTab } from "./mock_platform.ts";
import { RealServer, serverIsHere } from "./real_server.ts";

const DOCTOR = { name: "Dr Claire Martin", profession: "10", rpps: "10101234564" };
const PHARMACIST = { name: "Karim Haddad", profession: "21", rpps: "10101234572" };
const DENTIST = { name: "Dr Paul Roux", profession: "40", rpps: "10101234580" };
const MIDWIFE = { name: "Anne Petit", profession: "50", rpps: "10101234598" };
const PDF = new Uint8Array(300_000).map((_, i) => (i * 7919) % 251);

type Person = { readonly tab: MockTab; readonly app: App; readonly code: RecoveryCode };

describe.skipIf(!serverIsHere)("with the real server (.venv/bin/pli)", () => {
  let server: RealServer;
  const apps: App[] = [];

  beforeAll(async () => {
    server = await RealServer.start();
  }, 120_000);

  afterAll(async () => {
    for (const app of apps) await app.logOff().catch(() => undefined);
    await server.stop();
  });

  async function open(path = "/", fragment = ""): Promise<{ tab: MockTab; app: App }> {
    const tab = new MockBrowser().tab({ ...server.browser(), clock: realClock });
    tab.visit(path, fragment);
    const app = new App(new Client(tab));
    apps.push(app);
    await app.start();
    return { tab, app };
  }

  async function professional(who: typeof DOCTOR): Promise<Person> {
    const { tab, app } = await open("/a", await server.activation(who.name, who.profession, who.rpps));
    const { route } = app.state.value;
    if (route.name !== "activation") throw new Error(`at ${route.name}`);
    expect(tab.address.current.fragment).toBe("");
    const model = app.activation(route.token);
    await until(() => model.state.value.step === "hello", 40_000, "hello");
    expect(model.state.value).toMatchObject({ name: who.name, profession: who.profession, identifier: who.rpps });
    await model.accept();
    const made = model.state.value;
    if (made.step !== "recovery") throw new Error(JSON.stringify(made));
    model.keptCode();
    await until(() => model.state.value.step === "done");
    model.open();
    expect(app.state.value.route).toEqual({ name: "inbox" });
    return { tab, app, code: made.code };
  }

  async function write(doctor: Person, text: string): Promise<InvitationToShow> {
    const model = doctor.app.newConversation(null);
    model.name("Jean Dupont");
    model.subject("Votre ordonnance");
    model.composer.write(text);
    model.composer.attach([new File([PDF], "ordonnance.pdf", { type: "application/pdf" })]);
    await until(() => model.state.value.canSend, 40_000, "the document to be sealed");
    await model.send();
    const { invitation, problem } = model.state.value;
    if (invitation === null) throw new Error(JSON.stringify(problem));
    model.dispose();
    return invitation;
  }

  async function join(fragment: string): Promise<Person & { readonly conversation: string }> {
    const { tab, app } = await open("/i", fragment);
    const { route } = app.state.value;
    if (route.name !== "invitation") throw new Error(`at ${route.name}`);
    const model = app.invitation(route.link);
    await until(() => model.state.value.step === "letter" || model.state.value.step === "refused", 40_000, "the letter");
    await model.accept("new");
    const made = model.state.value;
    if (made.step !== "recovery") throw new Error(JSON.stringify(made));
    model.keptCode();
    await until(() => app.state.value.route.name === "conversation");
    const there = app.state.value.route;
    return { tab, app, code: made.code, conversation: there.name === "conversation" ? there.conversation : "" };
  }

  const texts = (model: ConversationModel): readonly Extract<Entry, { kind: "message" }>[] =>
    model.state.value.entries.filter((entry) => entry.kind === "message");

  it("carries a letter to somebody without an account, and answers back", { timeout: 240_000 }, async () => {
    const doctor = await professional(DOCTOR);
    const invitation = await write(doctor, "Bonjour Monsieur, voici votre ordonnance.");
    expect(invitation.code).toMatch(/^[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]$/);

    // The patient reads who writes before anything is asked of him.
    const fragment = invitation.link.slice(invitation.link.indexOf("#") + 1);
    const reader = await open("/i", fragment);
    const letter = reader.app.invitation(fragment);
    await until(() => letter.state.value.step === "letter", 40_000, "the letter");
    expect(letter.state.value).toMatchObject({
      writer: { name: DOCTOR.name, profession: "10", identifier: DOCTOR.rpps, verified: true },
      invited: "Jean Dupont",
      subject: "Votre ordonnance",
    });

    const patient = await join(fragment);
    const his = patient.app.conversation(patient.conversation);
    await until(() => texts(his).length === 1, 40_000, "the letter in the conversation");
    const [first] = texts(his);
    const [card] = first!.documents;
    expect(card).toMatchObject({ name: "ordonnance.pdf", preview: "pdf", size: PDF.length });
    const opened = await his.openDocument(first!.id, card!.id);
    expect(opened.bytes).toEqual(PDF);

    // The doctor sees: delivered, then read by name, and the document opened.
    const hers = doctor.app.conversation(patient.conversation);
    his.seen(his.state.value.entries.at(-1)!.id);
    await until(() => texts(hers)[0]?.state.name === "read", 40_000, "the receipt");
    expect(texts(hers)[0]).toMatchObject({ state: { by: [{ who: { name: "Jean Dupont" } }] } });
    await until(() => texts(hers)[0]?.documents[0]?.openedBy.length === 1, 40_000, "the document to be opened");

    his.composer.write("Merci. Avec du pamplemousse ?");
    his.send();
    await until(() => texts(hers).length === 2, 40_000, "the answer");
    expect(texts(hers)[1]).toMatchObject({ text: "Merci. Avec du pamplemousse ?", author: { name: "Jean Dupont" }, mine: false });

    // A pharmacist joins without the earlier history, and sees only what comes after.
    const pharmacist = await professional(PHARMACIST);
    hers.members.search("Haddad");
    await until(() => hers.members.state.value.found.length === 1, 40_000, "the directory");
    await hers.members.add(hers.members.state.value.found[0]!.account, "none");
    expect(hers.members.state.value.problem).toBeNull();
    hers.composer.write("Karim, votre avis ?");
    hers.send();
    await until(() => hers.state.value.send.name === "undoable");
    hers.sendNow();
    const theirs = pharmacist.app.conversation(patient.conversation);
    await until(() => texts(theirs).length === 1, 40_000, "the question to the pharmacist");
    expect(texts(theirs)[0]!.text).toBe("Karim, votre avis ?");

    // Ended: the patient is told and cannot write; a later message reopens.
    await hers.end("Tout est dit.");
    await until(() => his.state.value.reply.name === "ended", 40_000, "the end");
    expect(his.state.value).toMatchObject({ mayWrite: false, replySentence: { key: "reply.ended", params: { by: DOCTOR.name } } });
    hers.composer.write("Une chose encore.");
    hers.send();
    await until(() => hers.state.value.send.name === "undoable");
    hers.sendNow();
    await until(() => his.state.value.mayWrite, 40_000, "the reopening");

    // Everything is there again from the recovery code, on an empty browser.
    const again = await open("/c/" + patient.conversation);
    expect(again.app.state.value.route).toEqual({ name: "unlock" });
    const unlock = again.app.unlock();
    unlock.type(patient.code.text.toLowerCase().replaceAll("-", " "));
    await unlock.submit();
    expect(unlock.state.value).toMatchObject({ problem: null, code: { problem: null } });
    expect(again.app.state.value.route).toEqual({ name: "conversation", conversation: patient.conversation });
    const restored = again.app.conversation(patient.conversation);
    await until(() => texts(restored).length === 4, 40_000, "the history");
    expect(texts(restored).map(({ text }) => text)).toEqual(texts(his).map(({ text }) => text));
    for (const one of [hers, his, theirs, restored]) one.dispose();
  });

  it("finishes a claim whose answer was lost, after a reload, and shows the recovery code again", { timeout: 240_000 }, async () => {
    const doctor = await professional(DENTIST);
    const invitation = await write(doctor, "Votre rendez-vous.");
    const browser = new MockBrowser();
    const { http, live } = server.browser();
    let lossy = true;
    const losing = {
      origin: http.origin,
      fetch: async (path: string, init: RequestInit): Promise<Response> => {
        const answer = await http.fetch(path, init);
        if (lossy && path.endsWith("/claim")) throw new TypeError("lost");
        return answer;
      },
    };
    const outside = { http: losing, live, clock: realClock };
    const before = new App(new Client(browser.tab(outside)));
    await before.start();
    const letter = before.invitation(null);
    letter.type(invitation.code.toLowerCase());
    await letter.submitCode();
    expect(letter.state.value).toMatchObject({ step: "letter", writer: { name: DENTIST.name, verified: true } });
    await letter.accept("new");
    expect(letter.state.value).toMatchObject({ step: "letter", problem: { code: "network", retry: true } });

    lossy = false;
    const app = new App(new Client(browser.tab(outside)));
    apps.push(app);
    await app.start();
    expect(app.state.value.route).toEqual({ name: "invitation", link: null });
    const again = app.invitation(null);
    const { value } = again.state;
    expect(value).toMatchObject({ step: "recovery", name: "Jean Dupont" });
    again.keptCode();
    await until(() => app.state.value.route.name === "conversation");
    const there = app.state.value.route;
    const his = app.conversation(there.name === "conversation" ? there.conversation : "");
    await until(() => texts(his).length === 1);
    his.dispose();

    // The place is taken: the same letter says so to anybody else.
    const late = await open("/i", invitation.link.slice(invitation.link.indexOf("#") + 1));
    const used = late.app.invitation(invitation.link.slice(invitation.link.indexOf("#") + 1));
    await until(() => used.state.value.step === "refused");
    expect(used.state.value).toMatchObject({ problem: { code: "invitation_used", alarm: false } });
  });

  it("opens elsewhere by passkey, renews the recovery code, and shuts a lost device out", { timeout: 240_000 }, async () => {
    const doctor = await professional(MIDWIFE);
    const invitation = await write(doctor, "Bonjour.");
    const passkey = { credential: crypto.getRandomValues(new Uint8Array(20)), prf: crypto.getRandomValues(new Uint8Array(32)) };
    doctor.tab.browser.passkey = passkey;
    const settings = doctor.app.settings();
    await settings.addPasskey();
    expect(settings.state.value.problem).toBeNull();
    await settings.renewRecovery();
    const renewed = settings.state.value.recovery!;
    expect(settings.state.value.holders.map(({ kind }) => kind).sort()).toEqual(["device", "passkey", "recovery"]);

    const phone = await open("/c/" + invitation.conversation);
    phone.tab.browser.passkey = passkey;
    const byPasskey = phone.app.unlock();
    await byPasskey.usePasskey();
    expect(byPasskey.state.value.problem).toBeNull();
    const onPhone = phone.app.conversation(invitation.conversation);
    await until(() => texts(onPhone).length === 1);

    const old = (await open()).app.unlock();
    old.type(doctor.code.text);
    await old.submit();
    expect(old.state.value.problem).toMatchObject({ code: "recovery_unknown" });

    // The phone is stolen: it is shut out, and what is said afterwards is sealed under new keys.
    const lost = settings.state.value;
    settings.retry();
    await until(() => settings.state.value !== lost && settings.state.value.holders.length === 4);
    await settings.removeHolder(settings.state.value.holders.find(({ kind, current }) => kind === "device" && !current)!.id);
    expect(settings.state.value.problem).toBeNull();
    await until(() => phone.app.state.value.route.name === "removed", 40_000, "the phone has closed");
    const names = async () => (await indexedDB.databases()).map(({ name }) => name);
    await until(async () => !(await names()).includes(phone.tab.browser.name), 20_000, "and is empty");
    const hers = doctor.app.conversation(invitation.conversation);
    await until(() => !hers.state.value.loading);
    hers.composer.write("Après le vol.");
    hers.send();
    await until(() => hers.state.value.send.name === "undoable");
    hers.sendNow();
    await until(() => texts(hers).some(({ text, state }) => text === "Après le vol." && state.name === "accepted"));

    const again = (await open()).app;
    const unlock = again.unlock();
    unlock.type(renewed.text);
    await unlock.submit();
    expect(unlock.state.value.problem).toBeNull();
    const there = again.conversation(invitation.conversation);
    await until(() => texts(there).length === 2);
    for (const one of [onPhone, hers, there]) one.dispose();
  });
});
