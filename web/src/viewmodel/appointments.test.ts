/** Times typed by hand, files for the own calendar, and appointments between two people and a real log. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { until } from "../testing/mock_clock.ts";
import { MockBrowser } from "../testing/mock_platform.ts";
import { MockServer } from "../testing/mock_server.ts";
import { close, conversationOf, newcomer, openTab, say, untilTexts, type Tab } from "../testing/people.ts";
import { calendarFile } from "./appointment_file.ts";
import { instantsOf, writeAct } from "../model/appointments.ts";
import { Appointments } from "./appointments.ts";
import { Searching } from "./searching.ts";
import type { AppointmentCard, ProposalDraft } from "./types.ts";

const utc = (text: string): number => Date.parse(text);

describe("a wall time becomes instants", () => {
  it.each([
    ["2026-07-14", "09:00", "Europe/Paris", ["2026-07-14T07:00:00Z"]],
    ["2026-12-14", "09:00", "Europe/Paris", ["2026-12-14T08:00:00Z"]],
    ["2026-03-29", "02:30", "Europe/Paris", []],
    ["2026-03-29", "03:00", "Europe/Paris", ["2026-03-29T01:00:00Z"]],
    ["2026-10-25", "02:30", "Europe/Paris", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"]],
    ["2026-07-14", "09:00", "America/Martinique", ["2026-07-14T13:00:00Z"]],
    ["2026-07-14", "09:00", "Pacific/Marquesas", ["2026-07-14T18:30:00Z"]],
    ["2026-07-14", "00:15", "Pacific/Noumea", ["2026-07-13T13:15:00Z"]],
    ["2026-11-01", "01:30", "America/Miquelon", ["2026-11-01T03:30:00Z", "2026-11-01T04:30:00Z"]],
    ["2026-07-14", "23:45", "Pacific/Kiritimati", ["2026-07-14T09:45:00Z"]],
    ["2026-07-14", "09:00", "Moon/Base", []],
    ["", "09:00", "Europe/Paris", []],
  ])("%s %s in %s", (day, time, zone, instants) => {
    expect(instantsOf(day, time, zone)).toEqual(instants.map(utc));
  });
});

it("writes a file for the own calendar that says no more than its title", () => {
  const slot = { start: utc("2026-07-14T07:00:00Z"), end: utc("2026-07-14T07:20:00Z"), ref: "secret" };
  const long = "Rendez-vous; chez, moi\nÉté ".repeat(8);
  const text = new TextDecoder().decode(calendarFile({ id: "abc", slot, title: long, place: "", link: "", now: slot.start }));
  expect(text).toContain("DTSTART:20260714T070000Z\r\nDTEND:20260714T072000Z\r\n");
  expect(text).not.toContain("secret");
  expect(text).not.toContain("LOCATION");
  const lines = text.split("\r\n");
  expect(lines.every((line) => new TextEncoder().encode(line).length <= 75)).toBe(true);
  expect(text.replaceAll("\r\n ", "")).toContain("SUMMARY:Rendez-vous\\; chez\\, moi\\nÉté Rendez-vous");
});

describe("between a doctor and a patient", () => {
  let server: MockServer;
  let opened: Tab[];

  beforeEach(() => {
    server = new MockServer();
    opened = [];
  });
  afterEach(() => {
    opened.forEach(close);
  });

  const DAY = 86_400_000;
  const minute = (at: number): number => at - (at % 60_000);
  const now = (): number => opened[0]?.home.now() ?? 0;
  const draft = (days: readonly number[]): ProposalDraft => ({
    what: "Suivi", place: "Cabinet", zone: "Europe/Paris", mode: "practice", link: "", bring: [], cancel_before: 60, concerned: null, note: "",
    slots: days.map((day) => ({ start: minute(now()) + day * DAY, end: minute(now()) + day * DAY + 1_200_000, ref: "" })),
    expires: now() + DAY,
    waiting: false,
  });

  async function both(): Promise<{ hers: Appointments; his: Appointments; doctor: Tab; conversation: string; code: string }> {
    const known = [await newcomer(server, "professional"), await newcomer(server, "patient")] as const;
    const doctor = await openTab(server, new MockBrowser(), known[0].code);
    const patient = await openTab(server, new MockBrowser(), known[1].code);
    opened = [doctor, patient];
    const conversation = await conversationOf(doctor.home, known[1].account);
    await untilTexts(patient.home, conversation, ["Bonjour."]);
    return { hers: new Appointments(doctor.home, conversation), his: new Appointments(patient.home, conversation), doctor, conversation, code: known[1].code };
  }

  const cards = (of: Appointments): AppointmentCard[] => [...of.state.value.rows.values()].flatMap((row) => (row.kind === "card" ? [row.card] : []));
  const card = async (of: Appointments, standing: AppointmentCard["standing"]): Promise<AppointmentCard> => {
    await until(() => cards(of).at(-1)?.standing === standing, 20_000, standing);
    return cards(of).at(-1) as AppointmentCard;
  };
  const proposed = async (hers: Appointments, days: readonly number[]): Promise<void> => {
    await hers.propose(draft(days), null);
    const pending = [...hers.state.value.rows.values()].find((row) => row.kind === "pending");
    expect(pending?.undoable).toBe(true);
    await hers.resend(pending?.id ?? "");
  };

  const ended = async (doctor: Tab, conversation: string, his: Appointments): Promise<void> => {
    await doctor.home.say(conversation, { said: { type: "end", payload: { text: "" } }, attachments: [], reply: null, readSeq: null });
    const policy = { reply: "ended", until: null, by: doctor.home.account } as const;
    await until(() => server.envelopes(conversation).some(({ kind }) => kind === "end"), 20_000, "the end");
    Object.assign(server.conversations.get(conversation) ?? {}, { policy });
    server.inject(conversation, (seq, at) => ({ seq, at, type: "policy", policy, by: doctor.home.account }));
    await until(() => !his.state.value.mayBegin, 20_000, "the closed door");
  };

  it("is proposed, chosen, confirmed, moved and called off", async () => {
    const { hers, his } = await both();
    await until(() => hers.state.value.side === "practice" && his.state.value.side === "patient");
    await proposed(hers, [2, 3]);
    const offered = await card(his, "proposed");
    expect(offered.can).toMatchObject({ choose: true, cancel: true, confirm: false });
    await his.choose(offered.id, 1);
    const waiting = await card(hers, "accepted");
    expect(waiting.can.confirm).toBe(true);
    await hers.confirm(waiting.id);
    const booked = await card(his, "booked");
    expect(booked.booked).toEqual(offered.slots.map(({ start, end, ref }) => ({ start, end, ref }))[1]);
    expect(booked.deadline).toBe((booked.booked?.start ?? 0) - 3_600_000);
    await his.choose(booked.id, 0);
    await hers.confirm((await card(hers, "moving")).id);
    await until(() => cards(his)[0]?.booked?.start === offered.slots[0]?.start, 20_000);
    await his.cancel(booked.id, "Grippe");
    expect((await card(hers, "cancelled")).end).toEqual({ practice: false, inAgenda: false, late: false, early: null });
    expect(Object.values((await card(his, "cancelled")).can)).not.toContain(true);
  });

  it("can be called off when no answer is expected any more, and nothing else can be said", async () => {
    const { hers, his, doctor, conversation } = await both();
    await proposed(hers, [2]);
    await his.choose((await card(his, "proposed")).id, 0);
    await hers.confirm((await card(hers, "accepted")).id);
    await card(his, "booked");
    await ended(doctor, conversation, his);
    const closed = await card(his, "booked");
    expect(closed.can).toMatchObject({ choose: false, wish: false, cancel: true });
    await his.cancel(closed.id, "");
    await card(hers, "cancelled");
  });

  it("is moved by the practice on one card, and can be asked for again by who has declined", async () => {
    const { hers, his } = await both();
    await proposed(hers, [2]);
    await his.choose((await card(his, "proposed")).id, 0);
    await hers.confirm((await card(hers, "accepted")).id);
    const booked = await card(hers, "booked");
    expect(booked.can.move).toBe(true);
    const later = { start: minute(now()) + 5 * DAY, end: minute(now()) + 5 * DAY + 1_200_000, ref: "" };
    await hers.move(booked.id, later, "Congrès");
    await until(() => cards(his)[0]?.booked?.start === later.start, 20_000, "the move");
    expect(cards(his)).toHaveLength(1);
    expect(cards(his)[0]?.moveNote).toBe("Congrès");
    expect(cards(his)[0]?.can).toMatchObject({ cancel: true, keep: true, move: false });
    await proposed(hers, [7]);
    const second = await card(his, "proposed");
    await his.refuse(second.id, "");
    expect((await card(his, "refused")).can).toMatchObject({ wish: true, choose: false, cancel: false });
    await his.wish(second.id, "Le mardi");
    await until(() => cards(hers).at(-1)?.wish === "Le mardi", 20_000, "the wish");
  });

  it("is not called an appointment that was cancelled when there never was one", async () => {
    const { hers, his } = await both();
    await until(() => his.state.value.side === "patient");
    await his.ask("Un matin", "");
    await hers.cancel((await card(hers, "asked")).id, "");
    expect((await card(his, "cancelled")).end?.early).toBe("asked");
    await proposed(hers, [2]);
    await hers.cancel((await card(his, "proposed")).id, "");
    expect((await card(his, "cancelled")).end?.early).toBe("proposed");
    const keys = [...his.state.value.rows.values()].flatMap((row) => (row.kind === "line" ? [row.key] : []));
    expect(keys).toEqual(["cancel.withdrawn.ask", "cancel.withdrawn"]);
  });

  it("is confirmed in an exchange that has ended, and leaves it ended", async () => {
    const { hers, his, doctor, conversation } = await both();
    await proposed(hers, [2]);
    await his.choose((await card(his, "proposed")).id, 0);
    const waiting = await card(hers, "accepted");
    await ended(doctor, conversation, his);
    await hers.confirm(waiting.id);
    await card(his, "booked");
    const facts = await opened[1]?.home.log.facts(conversation);
    expect(facts?.right?.reply).toBe("ended");
  });

  it("is noted by the practice without asking, at once by hand and after the agenda's answer otherwise", async () => {
    const { hers, his, doctor, conversation } = await both();
    await until(() => hers.state.value.side === "practice");
    const start = minute(now()) + 2 * DAY;
    const slot = { start, end: start + 1_200_000, ref: "" };
    const about = { what: "Suivi", place: "Cabinet", zone: "Europe/Paris", mode: "practice", link: "", bring: [], cancel_before: 60, concerned: null, note: "" } as const;
    const send = async (): Promise<void> => {
      await hers.resend([...hers.state.value.rows].find(([, row]) => row.kind === "pending")?.[0] ?? "");
    };
    await hers.book(about, slot, null);
    expect([...hers.state.value.rows.values()]).toMatchObject([{ kind: "pending", booked: true, slots: [slot], undoable: true }]);
    await send();
    const noted = await card(his, "booked");
    expect(noted).toMatchObject({ noted: true, booked: slot, deadline: slot.start - 3_600_000, can: { cancel: true, keep: true, wish: true, choose: false, refuse: false } });
    await ended(doctor, conversation, his);
    // He can say that he cannot come, and keep it, and nothing else.
    expect((await card(his, "booked")).can).toMatchObject({ cancel: true, keep: true, wish: false });
    await hers.book({ ...about, what: "Contrôle" }, slot, noted.id);
    await send();
    await until(() => cards(his)[0]?.about.what === "Contrôle", 20_000, "the second word");
    expect(cards(his)).toHaveLength(1);
    expect((await opened[1]?.home.log.facts(conversation))?.right?.reply).toBe("ended");
    await hers.move(noted.id, { ...slot, end: slot.end + 600_000 }, "");
    await until(() => cards(his)[0]?.noted === false, 20_000, "the move");

    await hers.book(about, { ...slot, ref: "free 7" }, null);
    await send();
    const waits = await card(his, "accepted");
    expect(waits).toMatchObject({ moved: true, booked: null, can: { cancel: true, choose: false } });
    const chosen = (await card(hers, "accepted")).can;
    expect(chosen).toMatchObject({ confirm: true, propose: true });
    const payload = writeAct("failed", waits.id, { answers: waits.id, reason: "gone" }, "keep");
    await doctor.home.say(conversation, { said: { type: "appointment", payload }, attachments: [], reply: "keep", readSeq: null });
    const failed = await card(his, "failed");
    expect(failed).toMatchObject({ booked: null, chosen: null, tried: { ...slot, ref: "free 7" }, failure: "gone", can: { keep: false } });
    expect(cards(his)).toHaveLength(2);
  });

  it("is found by the words that its card shows, and not by those it no longer shows", async () => {
    const { hers, his, doctor, conversation } = await both();
    await until(() => hers.state.value.side === "practice");
    await his.ask("Plutôt un matin, à cause du bus", "");
    const asked = await card(hers, "asked");
    const offered = async (what: string, place: string): Promise<void> => {
      await hers.propose({ ...draft([4]), what, place, bring: ["Vos lunettes"] }, asked.id);
      await hers.resend([...hers.state.value.rows].find(([, row]) => row.kind === "pending")?.[0] ?? "");
      await until(() => cards(his)[0]?.about.place === place, 20_000, place);
    };
    await offered("Contrôle", "12 rue des Érables");
    await offered("Contrôle", "3 place du Marché");
    const found = async (words: string): Promise<readonly string[]> => {
      const search = new Searching(doctor.home);
      search.search(words);
      await until(() => !search.state.value.busy, 10_000, words);
      search.dispose();
      expect(search.state.value.looked).toBe(3); // the first message, the wish, the proposal that stands
      return search.state.value.rows.map(({ excerpt }) => excerpt.map(({ text }) => text).join(""));
    };
    expect(await found("matin")).toEqual(["Plutôt un matin, à cause du bus"]);
    for (const words of ["controle marche", "lunettes"]) expect(await found(words)).toEqual(["Contrôle 3 place du Marché Vos lunettes"]);
    expect(await found("erables")).toEqual([]);
    expect((await doctor.home.log.facts(conversation))?.alarm).toBeNull();
  });

  it("is undone before it leaves, and asks for one in words", async () => {
    const { hers, his } = await both();
    await until(() => hers.state.value.side === "practice");
    await hers.propose(draft([2]), null);
    const [id] = [...hers.state.value.rows.keys()];
    await hers.undo(id ?? "");
    expect(hers.state.value.rows.size).toBe(0);
    await his.ask("Un matin", "Léa");
    const asked = await card(hers, "asked");
    expect(asked).toMatchObject({ wish: "Un matin", concerned: "Léa", can: { propose: true } });
    await hers.propose(draft([4]), asked.id);
    await hers.resend([...hers.state.value.rows].find(([, row]) => row.kind === "pending")?.[0] ?? "");
    const answer = await card(his, "proposed");
    expect(answer.id).toBe(asked.id);
    expect(cards(his)).toHaveLength(1);
  });

  it("is found again by another browser under many messages", async () => {
    const { hers, his, doctor, conversation, code } = await both();
    await proposed(hers, [2, 3]);
    const { id } = await card(his, "proposed");
    for (let i = 0; i < 60; i += 1) await say(doctor.home, conversation, `message ${i}`);
    await his.choose(id, 0);
    await card(hers, "accepted");
    const again = await openTab(server, new MockBrowser(), code);
    opened.push(again);
    await until(async () => (await again.home.log.facts(conversation)) !== undefined, 20_000, "the conversation");
    expect((await card(new Appointments(again.home, conversation), "accepted")).id).toBe(id);
  }, 60_000);
});
