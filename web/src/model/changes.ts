/** "Something is different now": told after the storage has committed, in this tab and in the others. */

import type { Tabs } from "../platform/platform.ts";

export type Changed =
  /** The log or the facts of a conversation. */
  | { readonly what: "conversation"; readonly conversation: string }
  /** The list of conversations is here, if it is an empty one. */
  | { readonly what: "list" }
  /** What waits to be sent in a conversation. */
  | { readonly what: "outbox"; readonly conversation: string }
  /** An account chain grew. */
  | { readonly what: "account"; readonly account: string }
  /** Which reminders this device has said or shown, and whether it says them. */
  | { readonly what: "reminders" }
  /** The person logged off (in some tab): everything is wiped. */
  | { readonly what: "logged off" }
  /** This device was removed from its account: everything is wiped. */
  | { readonly what: "removed" }
  /** Follower to leader, and back. */
  | { readonly what: "ping" }
  | { readonly what: "pong" };

export class Changes {
  readonly #readers = new Set<(changed: Changed, here: boolean) => void>();
  readonly #line: { tell(message: unknown): void; close(): void };

  constructor(tabs: Tabs) {
    this.#line = tabs.join("changes", (message) => {
      this.#hear(message as Changed, false);
    });
  }

  /** `here`: made by this tab. */
  watch(run: (changed: Changed, here: boolean) => void): () => void {
    this.#readers.add(run);
    return () => {
      this.#readers.delete(run);
    };
  }

  tell(...all: readonly Changed[]): void {
    for (const changed of all) {
      this.#line.tell(changed);
      this.#hear(changed, true);
    }
  }

  close(): void {
    this.#readers.clear();
    this.#line.close();
  }

  #hear(changed: Changed, here: boolean): void {
    for (const run of [...this.#readers]) run(changed, here);
  }
}
