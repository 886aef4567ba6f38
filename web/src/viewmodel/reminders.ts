/** Reminders of the patient's own appointments, from the state of the log alone (docs/spec/appointments.md 7). */

import { AppointmentLog, dueHere, mayNotify, nextMoment, type Appointment, type Lead, type Reading, readAct } from "../model/appointments.ts";
import type { Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import type { ReminderMemory } from "../model/reminders.ts";
import { Observable } from "./observable.ts";
import { personIn } from "./presenting.ts";
import type { DueReminder, NoticeWords, RemindersModel, RemindersState } from "./types.ts";

const CALM = 300; // milliseconds in which changes are taken together
const LONGEST = 3_600_000; // milliseconds without looking: a device that slept has lost its timers
const TAG = "reminder";
const ALONE = "reminders";

type Due = DueReminder & { readonly lead: Lead; readonly at: number };

export class Reminders implements RemindersModel {
  readonly state = new Observable<RemindersState>({ notices: "unsupported", due: [] });
  readonly #home: Home;
  readonly #memory: ReminderMemory;
  readonly #words: () => NoticeWords;
  readonly #logs = new Map<string, AppointmentLog>();
  readonly #readings = new Map<string, Reading>();
  readonly #stops: readonly (() => void)[];
  #stale = new Set<string>();
  #timer: (() => void) | null = null;
  #looking: Promise<void> = Promise.resolve();
  #gone = false;

  /** `words`: of the one notification, asked for when it is shown. */
  constructor(home: Home, words: () => NoticeWords) {
    this.#home = home;
    this.#memory = home.reminders();
    this.#words = words;
    const changed = home.ground.changes.watch((change) => {
      if (change.what === "conversation") this.#stale.add(change.conversation);
      if (change.what === "conversation" || change.what === "reminders") this.#after(CALM);
    });
    const back = home.ground.platform.visibility.watch(() => void this.look());
    this.#stops = [changed, back];
    this.#after(0);
  }

  async turnOn(): Promise<void> {
    const permission = await this.#home.ground.platform.notices.ask();
    // Closed without an answer: there is nothing to remember, and it can be asked again.
    if (permission !== "default") await this.#turn(permission === "granted");
  }

  async turnOff(): Promise<void> {
    await this.#home.ground.platform.notices.clear(TAG);
    await this.#turn(false);
  }

  async seen(key: string): Promise<void> {
    const found = this.state.value.due.find((one) => one.key === key);
    if (found === undefined) return;
    await this.#alone(() => this.#memory.note("seen", { [key]: found.slot.start }, this.#home.now()));
  }

  dispose(): void {
    this.#gone = true;
    this.#timer?.();
    for (const stop of this.#stops) stop();
  }

  async #turn(on: boolean): Promise<void> {
    await this.#alone(() => this.#memory.turn(on));
  }

  async #alone(work: () => Promise<void>): Promise<void> {
    await this.#home.ground.platform.tabs.exclusive(ALONE, work);
    this.#home.ground.changes.tell({ what: "reminders" });
    await this.look();
  }

  /** Look now what is due: after a sleep of the device its timers tell nothing. Resolves when it is shown. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  async #look(): Promise<void> {
    if (this.#gone) return;
    try {
      await this.#read();
      const now = this.#home.now();
      const all = await this.#home.log.all();
      const due = all.flatMap((facts) => this.#dueIn(facts, now)).sort((one, other) => one.slot.start - other.slot.start);
      await this.#home.ground.platform.tabs.exclusive(ALONE, () => this.#notify(due, now));
      const { on, seen } = await this.#memory.read();
      this.state.set({ notices: this.#notices(on), due: due.filter(({ key }) => !(key in seen)) });
      this.#after(Math.min(LONGEST, this.#next(now) - now));
    } catch {
      // The device cannot be read just now; what reminds must not stop for that.
      this.#after(LONGEST);
    }
  }

  /** Read anew what has changed, of the conversations in which this is the patient's side. */
  async #read(): Promise<void> {
    const stale = this.#stale;
    this.#stale = new Set();
    for (const facts of await this.#home.log.all()) {
      const { conversation } = facts;
      if (!this.#isMine(facts)) this.#readings.delete(conversation);
      else if (stale.has(conversation) || !this.#readings.has(conversation)) {
        const log = this.#logs.get(conversation) ?? new AppointmentLog(this.#home.log, conversation);
        this.#logs.set(conversation, log);
        this.#readings.set(conversation, await log.read());
      }
    }
  }

  #isMine(facts: Facts): boolean {
    const me = personIn(facts, this.#home.account, this.#home.account);
    return facts.alarm === null && me?.standing === "member" && (me.role === "patient" || me.role === "delegate");
  }

  #dueIn(facts: Facts, now: number): readonly Due[] {
    const reading = this.#readings.get(facts.conversation);
    if (reading === undefined) return [];
    return standing(reading).flatMap(({ of, slot, zone, booked, said, by }): Due[] => {
      const due = dueHere({ start: slot.start, zone, booked, said }, now);
      if (due === null) return [];
      const name = personIn(facts, by, this.#home.account)?.name ?? "";
      const key = `${of.id} ${slot.start} ${due.lead}`;
      return [{ ...due, key, conversation: facts.conversation, slot, zone, by: name, concerned: of.concerned }];
    });
  }

  #next(now: number): number {
    const all = [...this.#readings.values()].flatMap(standing);
    return Math.min(now + LONGEST, ...all.map(({ slot, zone, booked, said }) => nextMoment({ start: slot.start, zone, booked, said }, now)).filter((at) => at > now));
  }

  /** One notification for all that may be said outside now and has not been; gone when nothing of it is due any more. */
  async #notify(due: readonly Due[], now: number): Promise<void> {
    const { platform } = this.#home.ground;
    const { on, said, seen } = await this.#memory.read();
    const open = due.filter(({ key }) => !(key in seen));
    if (!open.some(({ key }) => key in said)) await platform.notices.clear(TAG);
    if (on !== true || platform.notices.permission !== "granted") return;
    const fresh = open.filter((one) => !(one.key in said) && mayNotify(one, one.zone, platform.zone, now));
    if (fresh.length === 0) return;
    // Remembered first: one too few is shown in the application all the same, one too many is not taken back.
    await this.#memory.note("said", Object.fromEntries(fresh.map(({ key, slot }) => [key, slot.start])), now);
    await platform.notices.show(TAG, this.#words());
  }

  #notices(on: boolean | null): RemindersState["notices"] {
    const { permission } = this.#home.ground.platform.notices;
    if (permission === "unsupported") return "unsupported";
    if (permission === "denied") return "blocked";
    if (on === null) return "ask";
    return on && permission === "granted" ? "on" : "off";
  }

  #after(ms: number): void {
    if (this.#gone) return;
    this.#timer?.();
    this.#timer = this.#home.ground.platform.clock.after(Math.max(0, ms), () => void this.look());
  }
}

type Standing = { readonly of: Appointment; readonly slot: DueReminder["slot"]; readonly zone: string; readonly booked: number; readonly said: ReadonlySet<Lead>; readonly by: string };

/** The appointments that stand, each with what its reminders need. */
function standing(reading: Reading): readonly Standing[] {
  const { acts, book } = reading;
  return [...book.appointments.values()].flatMap((of): Standing[] => {
    const { booked: slot, about, end } = of;
    if (slot === null || about === null || end !== null) return [];
    const since = acts.find(({ id }) => id === of.booked_by)?.at ?? 0;
    const by = acts.findLast(({ role }) => role === "owner" || role === "professional")?.author ?? "";
    return [{ of, slot, zone: about.zone, booked: since, said: saidOf(reading, of.id, slot.start), by }];
  });
}

/** What the practice's automate has said of it, for this start. */
function saidOf({ acts, book }: Reading, appointment: string, start: number): ReadonlySet<Lead> {
  const said = new Set<Lead>();
  for (const { id, payload } of acts) {
    const act = book.verdicts.get(id) === "ok" ? readAct(payload) : null;
    if (act?.act === "reminder" && act.appointment === appointment && act.fields.start === start) said.add(act.fields.lead);
  }
  return said;
}
