/**
 * A stream cut into pieces of given sizes, the last one known as such. For the attachment format.
 */

import { concat } from "./codec.ts";
import type { Bytes } from "./suite.ts";

export type Piece = { readonly index: number; readonly last: boolean; readonly bytes: Bytes };

/** Collects what arrives and gives out whole pieces; a piece is held back until it is known whether it is the last. */
export class Cutter {
  readonly #sizeOf: (index: number) => number;
  #held: Uint8Array[] = [];
  #length = 0;
  #index = 0;

  constructor(sizeOf: (index: number) => number) {
    this.#sizeOf = sizeOf;
  }

  *push(chunk: Uint8Array): Generator<Piece> {
    this.#held.push(chunk);
    this.#length += chunk.length;
    if (this.#length <= this.#sizeOf(this.#index)) return;
    let rest = concat(...this.#held);
    while (rest.length > this.#sizeOf(this.#index)) {
      const size = this.#sizeOf(this.#index);
      yield { index: this.#index, last: false, bytes: rest.slice(0, size) };
      rest = rest.subarray(size);
      this.#index++;
    }
    this.#held = [rest];
    this.#length = rest.length;
  }

  end(): Piece {
    return { index: this.#index, last: true, bytes: concat(...this.#held) };
  }
}
