import { tick } from "svelte";

/**
 * After a step or a page has changed, the reader stands at its title: a screen reader says it, the keyboard goes on from
 * there. `reason` is what the caller watches; the first call of a page load does not move the focus.
 */
let first = true;

export function focusHeading(reason: string): void {
  void reason;
  if (first) {
    first = false;
    return;
  }
  void tick().then(() => {
    const heading = document.querySelector<HTMLElement>("main h1[tabindex], main");
    heading?.focus({ preventScroll: false });
  });
}
