/** Reminders that this device gives by itself (docs/spec/appointments.md 7). */

import type { Readable } from "../observable";
import type { Slot } from "./appointment";
import type { Disposable } from "./words";

export type DueReminder = {
  readonly key: string;
  readonly conversation: string;
  readonly slot: Slot;
  readonly zone: string;
  /** Who proposed it. */
  readonly by: string;
  readonly concerned: string | null;
};

export type RemindersState = {
  /** Notifications of this device. `ask`: nobody has been asked; `blocked`: the browser refuses them. */
  readonly notices: "ask" | "on" | "off" | "blocked" | "unsupported";
  /** Soonest first, until the person has seen them. */
  readonly due: readonly DueReminder[];
};

export interface RemindersModel extends Disposable {
  readonly state: Readable<RemindersState>;
  /** At a gesture of the person: the browser asks them. */
  turnOn(): Promise<void>;
  turnOff(): Promise<void>;
  seen(key: string): Promise<void>;
}

/** The same words for everybody: they lie on a locked screen. */
export type NoticeWords = { readonly title: string; readonly body: string };
