/**
 * The form of a vector file, and typed access to the values of a case.
 */

import { unb64, type Json } from "../codec.ts";
import type { Bytes } from "../suite.ts";

/** Performs a case: returns its `out`, or throws a `ProtocolError`. */
export type Op = (values: Values) => Promise<object> | object;

export type Case = { readonly name: string; readonly expect: string; readonly in: Values; readonly out: object };
export type Group = { readonly group: string; readonly cases: readonly Case[] };

type RawCase = { readonly name: string; readonly expect: string; readonly in: RawValues; readonly out: object };
type RawValues = { readonly [key: string]: Json };
export type RawGroup = { readonly group: string; readonly shared?: RawValues; readonly cases: readonly RawCase[] };

/** The values of `in`, each read as what the caller knows it to be. A mistake of the file is a `TypeError`. */
export class Values {
  readonly #values: RawValues;
  readonly #shared: RawValues;

  constructor(values: RawValues, shared: RawValues = {}) {
    this.#values = values;
    this.#shared = shared;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined && this.#values[key] !== null;
  }

  raw(key: string): Json {
    return this.#values[key] ?? null;
  }

  shared(key: string): Json {
    return this.#shared[key] ?? null;
  }

  text(key: string): string {
    const value = this.#values[key];
    if (typeof value !== "string") throw new TypeError(`${key} is not text`);
    return value;
  }

  bytes(key: string): Bytes {
    return unb64(this.text(key));
  }

  number(key: string): number {
    const value = this.#values[key];
    if (typeof value !== "number") throw new TypeError(`${key} is not a number`);
    return value;
  }

  list(key: string): readonly Json[] {
    const value = this.#values[key];
    if (!Array.isArray(value)) throw new TypeError(`${key} is not a list`);
    return value as readonly Json[];
  }

  bytesList(key: string): readonly Bytes[] {
    return this.list(key).map((one) => unb64(typeof one === "string" ? one : ""));
  }

  /** An object in the values, read in the same way. */
  values(key: string): Values {
    return nested(this.#values[key], this.#shared);
  }

  valuesList(key: string): readonly Values[] {
    return this.list(key).map((one) => nested(one, this.#shared));
  }

  entries(key: string): readonly (readonly [string, Json])[] {
    const value = this.#values[key];
    if (typeof value !== "object" || value === null) throw new TypeError(`${key} is not an object`);
    return Object.entries(value as RawValues);
  }
}

function nested(value: Json | undefined, shared: RawValues): Values {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("not an object");
  return new Values(value as RawValues, shared);
}

/** Read a vector file. */
export function readGroup(raw: RawGroup): Group {
  const cases = raw.cases.map((one) => ({ ...one, in: new Values(one.in, raw.shared) }));
  return { group: raw.group, cases };
}
