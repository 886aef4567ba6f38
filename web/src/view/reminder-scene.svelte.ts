import { getContext, setContext } from "svelte";
import { t } from "../i18n/locale.svelte";
import type { AppModel, RemindersModel, RemindersState } from "../viewmodel/types";
import { Fetched } from "./fetched.svelte";

const NOTHING: RemindersState = { notices: "unsupported", due: [] };

/** The reminders of this device, while somebody is in: for the bar above everything, the cards and the settings. */
export class ReminderScene extends Fetched<RemindersState, RemindersModel> {
  /** While a component is made, and until it goes. */
  constructor(app: AppModel) {
    super(NOTHING, () => app.reminders(() => ({ title: t("reminder.notice.title"), body: t("reminder.notice.body") })), "appointments");
  }

  turn(on: boolean): void {
    void (on ? this.model?.turnOn() : this.model?.turnOff());
  }

  seen(key: string): void {
    void this.model?.seen(key);
  }
}

const KEY = Symbol("reminders");

/** While a component is made: its children find the scene with `theReminders`. */
export function provideReminders(app: AppModel): ReminderScene {
  return setContext(KEY, new ReminderScene(app));
}

/** Undefined where a conversation is only shown (the letter of a first visit). */
export function theReminders(): ReminderScene | undefined {
  return getContext<ReminderScene | undefined>(KEY);
}
