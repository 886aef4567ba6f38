/** The appointments of one conversation: shown by the id of each act, and every act that a person may say. */

import { AppointmentLog, instantsOf, MINUTE, readAct, writeAct, type ActFields, type ActName, type PlacedAct, type Reading, type SaidAct } from "../model/appointments.ts";
import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import type { Pending } from "../model/pending.ts";
import { calendarFile } from "./appointment_file.ts";
import { lastAbout, rowsOf } from "./appointment_rows.ts";
import { Observable } from "./observable.ts";
import { isProfessional, mayWrite, personIn, problemOf, replyRightOf } from "./presenting.ts";
import type { AppointmentAbout, AppointmentsModel, AppointmentsState, FreeSlots, ProposalDraft, Slot } from "./types.ts";

const CALM = 40; // milliseconds in which changes are taken together
const UNDO = 10_000; // milliseconds
const TICK = 60_000; // milliseconds: what expires is shown within this time
const PATIENCE = 8_000; // milliseconds with an automate that does not answer; then what it last told is shown
const DAY = 1_440 * MINUTE;

const NOTHING: AppointmentsState = { side: null, rows: new Map(), mayBegin: false, last: null, free: { name: "none" }, problem: null };

export class Appointments implements AppointmentsModel {
  readonly state = new Observable<AppointmentsState>(NOTHING);
  readonly #home: Home;
  readonly #id: string;
  readonly #log: AppointmentLog;
  readonly #stop: () => void;
  readonly #devices = new Map<string, string>();
  #agenda: { readonly id: string; readonly log: AppointmentLog } | null = null;
  #reading: Reading | null = null;
  #facts: Facts | null = null;
  /** The answer that was there when the agenda was asked anew, and until when a newer one is waited for. */
  #answered: string | null = null;
  #waitsUntil = 0;
  #timer: (() => void) | null = null;

  constructor(home: Home, id: string) {
    this.#home = home;
    this.#id = id;
    this.#log = new AppointmentLog(home.log, id);
    this.#stop = home.ground.changes.watch((changed) => {
      const here = "conversation" in changed && (changed.conversation === id || changed.conversation === this.#agenda?.id);
      if (here) this.#after(CALM);
    });
    void this.#load();
  }

  ask(wish: string, concerned: string): Promise<void> {
    return this.#say("ask", null, { wish, concerned: concerned === "" ? null : concerned });
  }

  propose({ waiting, ...fields }: ProposalDraft, appointment: string | null): Promise<void> {
    return this.#say(waiting ? "offer" : "propose", appointment, fields, UNDO);
  }

  book(about: AppointmentAbout, slot: Slot, appointment: string | null): Promise<void> {
    return this.#say("booked", appointment, { ...about, slot, source: "person" }, UNDO);
  }

  async undo(pending: string): Promise<void> {
    await this.#try(async () => {
      await this.#home.outbox.takeBack(this.#id, pending);
    });
  }

  resend(pending: string): Promise<void> {
    return this.#try(() => this.#home.outbox.hurry(this.#id, pending));
  }

  choose(appointment: string, index: number): Promise<void> {
    return this.#say("accept", appointment, { proposal: this.#proposal(appointment), slot: index });
  }

  refuse(appointment: string, note: string): Promise<void> {
    return this.#say("refuse", appointment, { proposal: this.#proposal(appointment), note });
  }

  wish(appointment: string, wish: string): Promise<void> {
    return this.#say("other_wish", appointment, { wish });
  }

  /** Possible also when no answer is expected any more: "I cannot come" is always heard. */
  cancel(appointment: string, note: string): Promise<void> {
    return this.state.value.side === "practice" || this.#mayWrite()
      ? this.#say("cancel", appointment, { note, source: "person" })
      : this.#say("cannot_come", appointment, { note });
  }

  confirm(appointment: string): Promise<void> {
    const answers = this.#reading?.book.appointments.get(appointment)?.chosen?.id ?? "";
    return this.#say("confirmed", appointment, { answers });
  }

  move(appointment: string, slot: Slot, note: string): Promise<void> {
    return this.#say("move", appointment, { slot, note, source: "person" });
  }

  noShow(appointment: string): Promise<void> {
    return this.#say("no_show", appointment, {});
  }

  async findFree(days: number): Promise<void> {
    const agenda = this.#agenda;
    if (agenda === null) return;
    const from = this.#home.now();
    this.#waitsUntil = this.#clock.now() + PATIENCE;
    this.#answered = (await agenda.log.read()).book.available?.id ?? null;
    await this.#try(() => this.#post(agenda.id, "find", null, { from, to: from + days * DAY }));
  }

  instants(day: string, time: string, zone: string): readonly number[] {
    return instantsOf(day, time, zone);
  }

  keep(appointment: string, title: string): void {
    const slot = this.#reading?.book.appointments.get(appointment)?.booked;
    if (slot === undefined || slot === null) return;
    const bytes = calendarFile({ id: appointment, slot, title, place: "", link: "", now: this.#home.now() });
    this.#home.ground.platform.save("rendez-vous.ics", "text/calendar", bytes);
  }

  dispose(): void {
    this.#stop();
    this.#timer?.();
  }

  async #load(): Promise<void> {
    try {
      const facts = await this.#home.log.facts(this.#id);
      if (facts === undefined) return;
      const [reading, pending] = await Promise.all([this.#log.read(), this.#home.outbox.of(this.#id)]);
      this.#facts = facts;
      this.#reading = reading;
      await this.#learnDevices(reading.acts);
      this.#show(facts, reading, pending, await this.#free(facts));
      this.#after(this.#nextLook(pending));
    } catch (error) {
      this.state.patch({ problem: problemOf(error) });
    }
  }

  #show(facts: Facts, reading: Reading, pending: readonly Pending[], free: FreeSlots): void {
    const me = personIn(facts, this.#home.account, this.#home.account);
    const side = isProfessional(me) ? "practice" : me?.role === "patient" || me?.role === "delegate" ? "patient" : null;
    const mayAct = facts.alarm === null && me?.standing === "member";
    const rows = rowsOf({
      reading,
      pending,
      side,
      mayAct,
      mayWrite: this.#mayWrite(),
      now: this.#home.now(),
      deviceNow: this.#clock.now(),
      nameOf: (account) => personIn(facts, account, this.#home.account)?.name ?? "",
      deviceOf: (_, device) => this.#devices.get(device) ?? "",
    });
    this.state.patch({ side, rows, mayBegin: mayAct && side !== null && this.#mayWrite(), last: lastAbout(reading), free });
  }

  /** What the automate has said in the conversation that only the practice's account is in. */
  async #free(facts: Facts): Promise<FreeSlots> {
    if (facts.people.find(({ id }) => id === this.#home.account)?.role !== "owner") return { name: "none" };
    this.#agenda ??= await this.#findAgenda();
    if (this.#agenda === null) return { name: "none" };
    const { available } = (await this.#agenda.log.read()).book;
    const waits = available?.id === this.#answered && this.#clock.now() < this.#waitsUntil;
    return waits ? { name: "waiting" } : freeSlots(available);
  }

  async #findAgenda(): Promise<{ readonly id: string; readonly log: AppointmentLog } | null> {
    const all = await this.#home.log.all();
    const alone = all.filter(({ people }) => people.every(({ id, standing }) => id === this.#home.account || standing === "left"));
    for (const { conversation } of alone) {
      const log = new AppointmentLog(this.#home.log, conversation);
      if ((await log.read()).book.available !== null) return { id: conversation, log };
    }
    return null;
  }

  async #learnDevices(acts: readonly PlacedAct[]): Promise<void> {
    for (const { author, device } of acts) {
      if (!this.#devices.has(device)) this.#devices.set(device, await this.#home.deviceName(author, device));
    }
  }

  #mayWrite(): boolean {
    const facts = this.#facts;
    if (facts === null) return false;
    const me = personIn(facts, this.#home.account, this.#home.account);
    return mayWrite(me, replyRightOf(facts, this.#home.now(), this.#home.account));
  }

  #proposal(appointment: string): string {
    return this.#reading?.book.appointments.get(appointment)?.proposal?.id ?? "";
  }

  #say<A extends ActName>(act: A, appointment: string | null, fields: ActFields<A>, hold = 0): Promise<void> {
    return this.#try(() => this.#post(this.#id, act, appointment, fields, hold));
  }

  async #post<A extends ActName>(to: string, act: A, appointment: string | null, fields: ActFields<A>, hold = 0): Promise<void> {
    const reply = this.state.value.side === "practice" ? replyOf(act) : null;
    const said = { type: "appointment", payload: writeAct(act, appointment, fields, reply) } as const;
    await this.#home.say(to, { said, attachments: [], reply, readSeq: null }, hold);
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.state.patch({ problem: null });
    try {
      await work();
    } catch (error) {
      this.state.patch({ problem: problemOf(error) });
    }
    await this.#load();
  }

  get #clock(): Home["ground"]["platform"]["clock"] {
    return this.#home.ground.platform.clock;
  }

  #nextLook(pending: readonly Pending[]): number {
    const held = pending.map(({ heldUntil }) => heldUntil - this.#clock.now()).filter((left) => left > 0);
    const waits = this.#waitsUntil - this.#clock.now();
    return Math.min(TICK, ...(waits > 0 ? [waits + CALM] : []), ...held.map((left) => left + CALM));
  }

  #after(ms: number): void {
    this.#timer?.();
    this.#timer = this.#clock.after(ms, () => void this.#load());
  }
}

/** Who proposes awaits an answer; every other act leaves the reply right as it is. */
function replyOf(act: ActName): "open" | "keep" {
  return act === "propose" || act === "offer" ? "open" : "keep";
}

function freeSlots(available: SaidAct | null): FreeSlots {
  const act = available === null ? null : readAct(available.payload);
  if (available === null || act?.act !== "availability") return { name: "none" };
  return { name: "ready", at: available.at, zone: act.fields.zone, slots: act.fields.slots };
}
