/**
 * Text that people type by hand: alphabets of 32 letters, 5 bits a letter. Source: docs/spec/protocol.md 3.1, 9.2.
 */

import { demand } from "./errors.ts";
import type { Bytes } from "./suite.ts";

const DASHES_AND_SPACE = /[\s\u002d\u2010-\u2015\u2212]/gu;

/** What a person may type and still mean the same: NFKC, upper case, white space and dashes removed. */
export function tidy(typed: string): string {
  return typed.normalize("NFKC").toUpperCase().replace(DASHES_AND_SPACE, "");
}

/** Letters for the first `count` × 5 bits of `bytes`, after `leading` zero bits. */
export function spell(alphabet: string, bytes: Uint8Array, count: number, leading = 0): string {
  let letters = "";
  for (let i = 0; i < count; i++) {
    let value = 0;
    for (let bit = i * 5 - leading; bit < i * 5 + 5 - leading; bit++) value = value * 2 + bitAt(bytes, bit);
    letters += alphabet.charAt(value);
  }
  return letters;
}

/** The bits of `letters` as bytes, without the `leading` zero bits; refuses with `bad_code`. */
export function unspell(alphabet: string, letters: string, leading = 0): Bytes {
  const bytes = new Uint8Array(Math.floor((letters.length * 5 - leading) / 8));
  for (let i = 0; i < letters.length; i++) {
    const value = alphabet.indexOf(letters.charAt(i));
    demand(value >= 0, "bad_code", "letter outside the alphabet");
    for (let bit = 0; bit < 5; bit++) {
      if (((value >> (4 - bit)) & 1) === 1) setBit(bytes, i * 5 + bit - leading);
    }
  }
  return bytes;
}

/** `text` in groups of `size` joined by `-`. */
export function grouped(text: string, size: number): string {
  return (text.match(new RegExp(`.{1,${size}}`, "g")) ?? []).join("-");
}

function bitAt(bytes: Uint8Array, bit: number): number {
  return bit < 0 ? 0 : ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
}

function setBit(bytes: Bytes, bit: number): void {
  demand(bit >= 0, "bad_code", "leading bits are not zero");
  const index = bit >> 3;
  bytes[index] = (bytes[index] ?? 0) | (1 << (7 - (bit & 7)));
}
