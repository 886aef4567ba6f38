/** Several tabs of one person: Web Locks and BroadcastChannel, with a single-tab stand-in where a browser has neither. */

import type { Candidacy, Tabs } from "./platform.ts";

const PREFIX = "pli:";

export function browserTabs(): Tabs {
  return { exclusive, elect, join };
}

async function exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
  if (!hasLocks()) return queued(name, work);
  // The DOM types resolve `request` to `Promise<Awaited<…>>`; it is what `work` gives.
  return navigator.locks.request(PREFIX + name, work) as Promise<T>;
}

function elect(name: string, handlers: { readonly lead: () => void; readonly lost: () => void }): Candidacy {
  if (!hasLocks()) {
    handlers.lead();
    return { seize: () => undefined, resign: () => undefined };
  }
  let resigned = false;
  let leading = false;
  let letGo: () => void = () => undefined;
  const gaveUp = new AbortController();

  const lose = (): void => {
    if (leading && !resigned) handlers.lost();
    leading = false;
  };
  const hold = (): Promise<void> => {
    if (resigned) return Promise.resolve();
    leading = true;
    handlers.lead();
    return new Promise((resolve) => {
      letGo = resolve;
    });
  };
  const queue = (): void => {
    navigator.locks.request(PREFIX + name, { signal: gaveUp.signal }, hold).catch(() => {
      // Another tab took the lock over: stand in line again.
      const stolen = leading;
      lose();
      if (stolen && !resigned) queue();
    });
  };
  queue();
  return {
    seize: () => {
      if (!leading) navigator.locks.request(PREFIX + name, { steal: true }, hold).catch(lose);
    },
    resign: () => {
      resigned = true;
      gaveUp.abort();
      letGo();
    },
  };
}

function join(name: string, hear: (message: unknown) => void): { tell(message: unknown): void; close(): void } {
  if (typeof BroadcastChannel === "undefined") return { tell: () => undefined, close: () => undefined };
  const channel = new BroadcastChannel(PREFIX + name);
  channel.onmessage = (event: MessageEvent<unknown>) => {
    hear(event.data);
  };
  return {
    tell: (message) => {
      channel.postMessage(message);
    },
    close: () => {
      channel.close();
    },
  };
}

function hasLocks(): boolean {
  return "locks" in navigator;
}

const lines = new Map<string, Promise<unknown>>();

/** One after the other inside this tab. */
export async function queued<T>(name: string, work: () => Promise<T>): Promise<T> {
  const before = lines.get(name) ?? Promise.resolve();
  const mine = before.then(work, work);
  lines.set(name, mine);
  return mine;
}
