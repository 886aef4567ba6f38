/** The smallest subscribable value. It keeps the contract of a Svelte store, and knows nothing of Svelte. */

export type Unsubscribe = () => void;

export interface Readable<T> {
  readonly value: T;
  /** Call `run` at once with the value and again after each change, until the returned function is called. */
  subscribe(run: (value: T) => void): Unsubscribe;
}

export class Observable<T> implements Readable<T> {
  readonly #readers = new Set<(value: T) => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** Set the value and tell the readers; the same value again is not a change. */
  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const run of [...this.#readers]) run(value);
  }

  /** Replace some fields of an object value. */
  patch(fields: Partial<T>): void {
    this.set({ ...this.#value, ...fields });
  }

  subscribe(run: (value: T) => void): Unsubscribe {
    this.#readers.add(run);
    run(this.#value);
    return () => {
      this.#readers.delete(run);
    };
  }
}
