import { getContext, setContext } from "svelte";
import { learn, t } from "../i18n/locale.svelte";
import type { AppModel, RemindersModel, RemindersState } from "../viewmodel/types";

const NOTHING: RemindersState = { notices: "unsupported", due: [] };

/** The reminders of this device, while somebody is in: for the bar above everything, the cards and the settings. */
export class ReminderScene {
  #model: RemindersModel | null = null;
  state = $state.raw<RemindersState>(NOTHING);

  /** While a component is made, and until it goes. */
  constructor(app: AppModel) {
    $effect(() => {
      let gone = false;
      let stop = (): void => undefined;
      const words = (): { title: string; body: string } => ({ title: t("reminder.notice.title"), body: t("reminder.notice.body") });
      void Promise.all([app.reminders(words), learn("appointments")]).then(([model]) => {
        if (gone) {
          model.dispose();
          return;
        }
        this.#model = model;
        stop = model.state.subscribe((state) => {
          this.state = state;
        });
      });
      return () => {
        gone = true;
        stop();
        this.#model?.dispose();
      };
    });
  }

  turn(on: boolean): void {
    void (on ? this.#model?.turnOn() : this.#model?.turnOff());
  }

  seen(key: string): void {
    void this.#model?.seen(key);
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
