/**
 * Bytes, base64url, canonical JSON and the signed wire form. Source: docs/spec/protocol.md 1.
 */

import { demand, ProtocolError } from "./errors.ts";
import { MAX_SIGNED_BODY, SIGNATURE, type B64, type Bytes } from "./suite.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const MAX_DEPTH = 16;
const KEY = /^[a-z][a-z0-9_]{0,63}$/;
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const B64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const B64_VALUE = new Map(Array.from(B64_ALPHABET, (letter, value) => [letter, value]));

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text to UTF-8, never normalised. */
export function utf8(text: string): Bytes {
  return encoder.encode(text);
}

/** UTF-8 to text; refuses ill-formed bytes (`bad_format`). */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError("bad_format", "not UTF-8");
  }
}

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Compares without stopping at the first difference. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (const [i, byte] of a.entries()) difference |= byte ^ (b[i] ?? 0);
  return difference === 0;
}

/** Unsigned big-endian integer of `width` bytes. */
function unsigned(value: number, width: number): Bytes {
  demand(Number.isSafeInteger(value) && value >= 0 && value < 256 ** width, "bad_format", `not a u${width * 8}`);
  const bytes = new Uint8Array(width);
  for (let i = width - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) bytes[i] = rest % 256;
  return bytes;
}

export const u8 = (value: number): Bytes => unsigned(value, 1);
export const u16 = (value: number): Bytes => unsigned(value, 2);
export const u32 = (value: number): Bytes => unsigned(value, 4);

/** Reads fixed parts from the front; refuses to read past the end (`bad_format`). */
export class Reader {
  readonly #bytes: Bytes;
  #at = 0;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Bytes {
    demand(length <= this.left, "bad_format", "cut short");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  unsigned(width: 1 | 2 | 4): number {
    return this.take(width).reduce((value, byte) => value * 256 + byte, 0);
  }

  rest(): Bytes {
    return this.take(this.left);
  }

  end(): void {
    demand(this.left === 0, "bad_format", "bytes after the end");
  }
}

/** Bytes to base64url without padding. */
export function b64(bytes: Uint8Array): B64 {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const letters = Math.min(4, bytes.length - i + 1);
    for (let j = 0; j < letters; j++) text += B64_ALPHABET.charAt((group >> (18 - 6 * j)) & 63);
  }
  return text;
}

/** base64url to bytes; refuses padding, other alphabets, white space and non-zero trailing bits (`bad_format`). */
export function unb64(text: B64, length?: number): Bytes {
  demand(text.length % 4 !== 1, "bad_format", "base64url of an impossible length");
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let at = 0;
  let held = 0;
  let bits = 0;
  for (const letter of text) {
    const value = B64_VALUE.get(letter);
    demand(value !== undefined, "bad_format", "not base64url");
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits;
  }
  demand((held & ((1 << bits) - 1)) === 0, "bad_format", "base64url with trailing bits");
  demand(length === undefined || bytes.length === length, "bad_format", "bytes of the wrong length");
  return bytes;
}

/** Write canonical JSON. Refuses what it cannot express (`bad_format`). */
export function encodeCanonical(value: JsonObject): Bytes {
  return utf8(writeObject(value, 1));
}

/** Read canonical JSON: an object, spelled in the one allowed way; else `bad_format`. */
export function decodeCanonical(bytes: Uint8Array): JsonObject {
  const text = fromUtf8(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("bad_format", "not JSON");
  }
  demand(isObject(value), "bad_format", "not an object");
  // One spelling a value: whatever differs from our own writing is refused.
  demand(writeObject(value, 1) === text, "bad_format", "not canonical JSON");
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function write(value: Json, depth: number): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return writeInteger(value);
  if (typeof value === "string") return writeText(value);
  if (isObject(value)) return writeObject(value, depth);
  demand(depth <= MAX_DEPTH, "bad_format", "nested too deeply");
  return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
}

function writeObject(value: JsonObject, depth: number): string {
  demand(depth <= MAX_DEPTH, "bad_format", "nested too deeply");
  const keys = Object.keys(value).sort();
  const entries = keys.map((key) => {
    demand(KEY.test(key), "bad_format", "key outside the alphabet");
    return `"${key}":${write(value[key] ?? null, depth + 1)}`;
  });
  return `{${entries.join(",")}}`;
}

function writeInteger(value: number): string {
  demand(Number.isSafeInteger(value), "bad_format", "not an integer of at most 53 bits");
  return String(value);
}

function writeText(value: string): string {
  demand(!LONE_SURROGATE.test(value), "bad_format", "lone surrogate");
  return JSON.stringify(value); // its escapes are exactly those of 1.3
}

/** A link, record or certificate as it travels: the body as received, and its signatures. */
export type Signed = { readonly body: Bytes; readonly value: JsonObject; readonly signatures: readonly Bytes[] };

/** `u32 length | body | u8 n | n x 64`. Source: docs/spec/protocol.md 1.4. */
export function writeSigned(body: Bytes, signatures: readonly Bytes[]): Bytes {
  demand(body.length <= MAX_SIGNED_BODY, "bad_format", "signed body too long");
  return concat(u32(body.length), body, u8(signatures.length), ...signatures);
}

export function readSigned(wire: Bytes): Signed {
  const reader = new Reader(wire);
  const length = reader.unsigned(4);
  demand(length <= MAX_SIGNED_BODY, "bad_format", "signed body too long");
  const body = reader.take(length);
  const count = reader.unsigned(1);
  demand(count === 1 || count === 2, "bad_format", "one or two signatures");
  const signatures = Array.from({ length: count }, () => reader.take(SIGNATURE));
  reader.end();
  return { body, value: decodeCanonical(body), signatures };
}
