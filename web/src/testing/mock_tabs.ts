/** Locks and channels between the "tabs" of one test: `MockBrowser` is what they share. */

import type { Candidacy, Tabs } from "../platform/platform.ts";

type Candidate = { readonly lead: () => void; readonly lost: () => void };

export class MockLocks {
  readonly #lines = new Map<string, Promise<unknown>>();
  readonly #candidates = new Map<string, Candidate[]>();
  readonly #channels = new Map<string, Set<(message: unknown) => void>>();

  /** One tab of this browser. */
  tab(): Tabs {
    return {
      exclusive: (name, work) => this.#exclusive(name, work),
      elect: (name, handlers) => this.#elect(name, handlers),
      join: (name, hear) => this.#join(name, hear),
    };
  }

  /** A tab has died: what it held is free. */
  release(): void {
    this.#lines.clear();
  }

  async #exclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    const mine = (this.#lines.get(name) ?? Promise.resolve()).then(work, work);
    this.#lines.set(name, mine);
    return mine;
  }

  #elect(name: string, candidate: Candidate): Candidacy {
    const line = this.#candidates.get(name) ?? [];
    this.#candidates.set(name, line);
    line.push(candidate);
    if (line[0] === candidate) queueMicrotask(candidate.lead);
    return {
      seize: () => {
        const [leader] = line;
        if (leader === candidate) return;
        line.splice(line.indexOf(candidate), 1);
        line.unshift(candidate);
        leader?.lost();
        candidate.lead();
      },
      resign: () => {
        const led = line[0] === candidate;
        if (line.includes(candidate)) line.splice(line.indexOf(candidate), 1);
        if (led) line[0]?.lead();
      },
    };
  }

  #join(name: string, hear: (message: unknown) => void): { tell(message: unknown): void; close(): void } {
    const others = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, others);
    others.add(hear);
    return {
      tell: (message) => {
        for (const other of others) if (other !== hear) queueMicrotask(() => {
          if (others.has(other)) other(structuredClone(message));
        });
      },
      close: () => {
        others.delete(hear);
      },
    };
  }
}
