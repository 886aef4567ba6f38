import { learn, type Part } from "../i18n/locale.svelte";
import type { Readable } from "../viewmodel/observable";
import type { Disposable } from "../viewmodel/types";

/**
 * A model whose code is fetched while its component is made, with the words that it needs, and let go with the component.
 * Until it is here `state` is what was given at first. When it cannot be fetched it stays so: what draws it is fetched as
 * well, and says that a part is missing (`Later.svelte`).
 */
export class Fetched<S, M extends Disposable & { readonly state: Readable<S> }> {
  state: S;
  model = $state.raw<M | null>(null);

  constructor(first: S, fetch: () => Promise<M>, words: Part) {
    this.state = $state.raw(first);
    $effect(() => {
      let gone = false;
      let stop = (): void => undefined;
      let mine: M | null = null;
      const here = (model: M): void => {
        if (gone) {
          model.dispose();
          return;
        }
        mine = model;
        this.model = model;
        stop = model.state.subscribe((state) => {
          this.state = state;
        });
      };
      Promise.all([fetch(), learn(words)]).then(([model]) => { here(model); }, () => undefined);
      return () => {
        gone = true;
        stop();
        mine?.dispose();
      };
    });
  }
}
