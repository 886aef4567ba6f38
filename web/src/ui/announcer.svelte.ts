/** The one place where something is said to a screen reader without moving the focus. */

class Announcer {
  text = $state("");

  /** The same sentence twice is still said twice: an invisible character makes it new. */
  say(text: string): void {
    this.text = this.text === text ? `${text}\u200b` : text;
  }
}

export const announcer = new Announcer();
