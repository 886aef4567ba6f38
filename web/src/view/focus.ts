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
    const start = document.querySelector<HTMLElement>("#main h1[tabindex]") ?? document.querySelector<HTMLElement>("#main");
    start?.focus({ preventScroll: true }); // what stands above the title is the top of the page, and stays in sight
    document.scrollingElement?.scrollTo(0, 0);
  });
}
