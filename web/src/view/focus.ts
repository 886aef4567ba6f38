import { tick } from "svelte";

/**
 * After a step or a page has changed, the reader stands at its title: a screen reader says it, the keyboard goes on from
 * there. `place` is the step or the address; the first one of a page load does not move the focus.
 */
let stood: string | null = null;

export function focusHeading(place: string): void {
  const first = stood === null;
  if (place === stood) return;
  stood = place;
  if (first) return;
  void tick().then(() => {
    const heading = document.querySelector<HTMLElement>("main h1[tabindex], main");
    heading?.focus({ preventScroll: false });
  });
}
