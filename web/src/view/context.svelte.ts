import { createContext } from "svelte";
import { fromStore } from "svelte/store";
import type { AppModel, Disposable, Route } from "../viewmodel/types";
import type { Readable } from "../viewmodel/observable";

export const [theApp, provideApp] = createContext<AppModel>();

/** The state of a model as a reactive value. The model is let go with the component. */
export function following<S>(model: { readonly state: Readable<S> } & Partial<Disposable>): { readonly current: S } {
  $effect(() => () => model.dispose?.());
  return fromStore(model.state);
}

/** Attributes of a real link that stays inside the page; a middle click still opens a tab. */
export function toward(app: AppModel, route: Route): { href: string; onclick: (event: MouseEvent) => void } {
  return {
    href: app.path(route),
    onclick: (event) => {
      if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      app.go(route);
    },
  };
}
