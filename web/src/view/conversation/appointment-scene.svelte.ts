import { getContext, setContext } from "svelte";
import type { AppModel, AppointmentsModel, AppointmentsState } from "../../viewmodel/types";
import { Fetched } from "../fetched.svelte";

type Asked =
  /** The form for a proposal, or the dialog in which a patient says when. Null: about a new appointment. */
  | { readonly what: "propose" | "wish"; readonly appointment: string | null }
  | { readonly what: "cancel" | "refuse" | "move" | "no_show"; readonly appointment: string };

const NOTHING: AppointmentsState = { side: null, rows: new Map(), mayBegin: false, last: null, free: { name: "none" }, problem: null };

/** The appointments of the conversation on the screen, for the rows of its log, its foot and its dialogs. */
export class AppointmentScene extends Fetched<AppointmentsState, AppointmentsModel> {
  asked = $state.raw<Asked | null>(null);

  /** While a component is made, and until it goes. */
  constructor(app: AppModel, conversation: string) {
    super(NOTHING, () => app.appointments(conversation), "appointments");
  }

  /** There is one as soon as there is anything to press. */
  get here(): AppointmentsModel {
    if (this.model === null) throw new Error("nothing is shown yet");
    return this.model;
  }

  compose(appointment: string | null): void {
    this.asked = { what: "propose", appointment };
  }

  wish(appointment: string | null): void {
    this.asked = { what: "wish", appointment };
  }

  cancel(appointment: string): void {
    this.asked = { what: "cancel", appointment };
  }

  refuse(appointment: string): void {
    this.asked = { what: "refuse", appointment };
  }

  noShow(appointment: string): void {
    this.asked = { what: "no_show", appointment };
  }

  move(appointment: string): void {
    this.asked = { what: "move", appointment };
  }

  close(): void {
    this.asked = null;
  }
}

const KEY = Symbol("appointments");

/** While a component is made: its children find the scene with `theAppointments`. */
export function provideAppointments(app: AppModel, conversation: string): AppointmentScene {
  return setContext(KEY, new AppointmentScene(app, conversation));
}

/** Undefined where a conversation is only shown (the letter of a first visit). */
export function theAppointments(): AppointmentScene | undefined {
  return getContext<AppointmentScene | undefined>(KEY);
}
