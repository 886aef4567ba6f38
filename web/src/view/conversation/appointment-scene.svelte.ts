import { getContext, setContext } from "svelte";
import type { AppModel, AppointmentsModel, AppointmentsState } from "../../viewmodel/types";
import { following } from "../context.svelte";

type Asked =
  /** The form for a proposal, or the dialog in which a patient says when. Null: about a new appointment. */
  | { readonly what: "propose" | "wish"; readonly appointment: string | null }
  | { readonly what: "cancel"; readonly appointment: string };

/** The appointments of the conversation on the screen, for the rows of its log, its foot and its dialogs. */
export class AppointmentScene {
  readonly model: AppointmentsModel;
  readonly #followed: { readonly current: AppointmentsState };
  asked = $state.raw<Asked | null>(null);

  constructor(model: AppointmentsModel) {
    this.model = model;
    this.#followed = following(model);
  }

  get state(): AppointmentsState {
    return this.#followed.current;
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

  close(): void {
    this.asked = null;
  }
}

const KEY = Symbol("appointments");

/** While a component is made: its children find the scene with `theAppointments`. */
export function provideAppointments(app: AppModel, conversation: string): AppointmentScene {
  return setContext(KEY, new AppointmentScene(app.appointments(conversation)));
}

/** Undefined where a conversation is only shown (the letter of a first visit). */
export function theAppointments(): AppointmentScene | undefined {
  return getContext<AppointmentScene | undefined>(KEY);
}
