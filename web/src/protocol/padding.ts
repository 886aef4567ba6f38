/**
 * Padme: lengths that say little. Source: docs/spec/protocol.md 7.2.
 */

import { concat, Reader, u32 } from "./codec.ts";
import { demand } from "./errors.ts";
import type { Bytes } from "./suite.ts";

const LEAST = 256;

/** The padded length for `length` ≥ 2: at most 12 % longer. */
export function padme(length: number): number {
  const exponent = 31 - Math.clz32(length);
  const kept = 32 - Math.clz32(exponent);
  const mask = 2 ** (exponent - kept) - 1;
  return (length + mask) & ~mask;
}

/** `u32 length of content | content | trailer | zeros` up to `PADME(max(256, …))`. */
export function pad(content: Uint8Array, trailer: Uint8Array = new Uint8Array()): Bytes {
  const whole = concat(u32(content.length), content, trailer);
  return concat(whole, new Uint8Array(padme(Math.max(LEAST, whole.length)) - whole.length));
}

/** Back to content and trailer; refuses another length or padding that is not zero (`bad_format`). */
export function unpad(padded: Bytes, trailerLength = 0): { readonly content: Bytes; readonly trailer: Bytes } {
  const reader = new Reader(padded);
  const content = reader.take(reader.unsigned(4));
  const trailer = reader.take(trailerLength);
  const expected = padme(Math.max(LEAST, 4 + content.length + trailerLength));
  demand(padded.length === expected, "bad_format", "padding of the wrong length");
  demand(reader.rest().every((byte) => byte === 0), "bad_format", "padding that is not zero");
  return { content, trailer };
}
