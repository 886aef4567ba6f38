/** Appointments inside a conversation: how each act is shown, and what one may do. */

import type { Readable } from "../observable";
import type { Disposable, Problem } from "./words";

/** Milliseconds; shown as the wall time of the place. */
export type Slot = { readonly start: number; readonly end: number; readonly ref: string };
export type ShownSlot = Slot & { readonly index: number; readonly state: "free" | "gone" | "past" | "chosen" | "booked" };

export type AppointmentAbout = {
  readonly what: string;
  readonly place: string;
  /** IANA name. */
  readonly zone: string;
  readonly mode: "practice" | "home" | "remote";
  readonly link: string;
  readonly bring: readonly string[];
  /** Minutes before the start until which a cancellation frees the slot. */
  readonly cancel_before: number;
  /** For whom, when it is not the patient of the conversation. */
  readonly concerned: string | null;
  readonly note: string;
};

export type AppointmentCard = {
  /** Of the appointment: the message that began it. */
  readonly id: string;
  readonly standing: "asked" | "proposed" | "expired" | "accepted" | "booked" | "moving" | "failed" | "refused" | "cancelled" | "no_show";
  readonly about: AppointmentAbout;
  readonly concerned: string | null;
  /** In the patient's words; null: none. */
  readonly wish: string | null;
  readonly slots: readonly ShownSlot[];
  /** An offer from the waiting list. */
  readonly waiting: boolean;
  readonly expires: number | null;
  readonly booked: Slot | null;
  readonly chosen: Slot | null;
  /** What is chosen is a move or a booking by the practice that its agenda has not answered. */
  readonly moved: boolean;
  /** What stands was noted by the practice: the patient was not asked. */
  readonly noted: boolean;
  /** What was to be noted, and the agenda did not take. */
  readonly tried: Slot | null;
  /** What the practice wrote when it moved what is booked; empty: nothing. */
  readonly moveNote: string;
  /** Until when the patient's cancellation frees the slot; null when nothing is booked. */
  readonly deadline: number | null;
  readonly deadlinePassed: boolean;
  readonly failure: "gone" | "refused" | "unreachable" | null;
  readonly end: { readonly practice: boolean; readonly inAgenda: boolean; readonly late: boolean; /** Before there was anything to come to: of a request, or of a proposal. */ readonly early: "asked" | "proposed" | null } | null;
  readonly can: {
    readonly choose: boolean;
    readonly refuse: boolean;
    readonly wish: boolean;
    readonly cancel: boolean;
    readonly confirm: boolean;
    readonly propose: boolean;
    readonly move: boolean;
    readonly noShow: boolean;
    readonly keep: boolean;
  };
  /** An act of this device about it is on its way. */
  readonly sending: boolean;
};

export type AppointmentRow =
  | { readonly kind: "card"; readonly card: AppointmentCard }
  /** One act in a line: catalogue key `appointment.did.<key>`. `device`: which device wrote it, when that matters. */
  | {
      readonly kind: "line";
      readonly key: string;
      readonly by: string;
      readonly slot: Slot | null;
      readonly zone: string;
      readonly note: string;
      readonly device: string;
      readonly count: number;
    }
  /** Proposed or noted (`booked`) here and not sent yet: `undo` takes it back while `undoable`. */
  | { readonly kind: "pending"; readonly id: string; readonly booked: boolean; readonly slots: readonly Slot[]; readonly zone: string; readonly undoable: boolean; readonly problem: Problem | null }
  /** Of no effect: catalogue key `appointment.void.<verdict>`. */
  | { readonly kind: "void"; readonly verdict: string; readonly by: string };

/** The practice's own agenda, as its automate tells it. */
export type FreeSlots =
  | { readonly name: "none" }
  | { readonly name: "waiting" }
  | { readonly name: "ready"; readonly at: number; readonly zone: string; readonly slots: readonly Slot[] };

export type AppointmentsState = {
  readonly side: "patient" | "practice" | null;
  /** By the id of the entry. */
  readonly rows: ReadonlyMap<string, AppointmentRow>;
  /** The patient may ask for one; the practice may propose one. */
  readonly mayBegin: boolean;
  /** What the last proposal here said: a beginning for the next. */
  readonly last: AppointmentAbout | null;
  readonly free: FreeSlots;
  readonly problem: Problem | null;
};

export type ProposalDraft = AppointmentAbout & { readonly slots: readonly Slot[]; readonly expires: number; readonly waiting: boolean };

export interface AppointmentsModel extends Disposable {
  readonly state: Readable<AppointmentsState>;
  ask(wish: string, concerned: string): Promise<void>;
  /** `appointment`: one that it is about; null: a new one. Leaves after ten seconds, until then `undo`. */
  propose(draft: ProposalDraft, appointment: string | null): Promise<void>;
  /** Agreed on already, by telephone or at the desk; the agenda answers where the slot is one of its own. Else as `propose`. */
  book(about: AppointmentAbout, slot: Slot, appointment: string | null): Promise<void>;
  undo(pending: string): Promise<void>;
  resend(pending: string): Promise<void>;
  choose(appointment: string, index: number): Promise<void>;
  refuse(appointment: string, note: string): Promise<void>;
  wish(appointment: string, wish: string): Promise<void>;
  cancel(appointment: string, note: string): Promise<void>;
  confirm(appointment: string): Promise<void>;
  /** By the practice: the agenda answers, where the appointment stands in one. */
  move(appointment: string, slot: Slot, note: string): Promise<void>;
  noShow(appointment: string): Promise<void>;
  /** Ask the practice's agenda what is free; the answer comes with the state. */
  findFree(days: number): Promise<void>;
  /** Instants of a wall time: none in the hour that spring skips, two in the one that autumn repeats. */
  instants(day: string, time: string, zone: string): readonly number[];
  /** A file for the own calendar, with no more than this title. */
  keep(appointment: string, title: string): void;
}
