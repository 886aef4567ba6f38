import { untrack } from "svelte";

/** The one place where something is said to a screen reader without moving the focus. */

class Announcer {
  text = $state("");

  /** The same sentence twice is still said twice: an invisible character makes it new. */
  say(text: string): void {
    // Who speaks does not listen: an effect that says something must not run again for it.
    this.text = untrack(() => this.text) === text ? `${text}\u200b` : text;
  }
}

export const announcer = new Announcer();
