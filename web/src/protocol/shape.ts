/**
 * Exact shapes of canonical JSON values: a missing, unknown or ill-formed key is `bad_format`.
 * Source: docs/spec/protocol.md 1.3.
 */

import { isObject, unb64, utf8, type Json, type JsonObject } from "./codec.ts";
import { demand } from "./errors.ts";
import type { B64 } from "./suite.ts";

export type Shape<T> = (value: Json) => T;
type Fields = { readonly [key: string]: Shape<unknown> };
type Shaped<F extends Fields> = { readonly [K in keyof F]: ReturnType<F[K]> };

/** An object with exactly these keys. */
export function object<F extends Fields>(fields: F): Shape<Shaped<F>> {
  const read = atLeast(fields);
  const count = Object.keys(fields).length;
  return (value) => {
    demand(isObject(value) && Object.keys(value).length === count, "bad_format", "missing or unknown key");
    return read(value);
  };
}

/** An object with these keys; others are ignored (payloads only, docs/spec/protocol.md 7.3). */
export function atLeast<F extends Fields>(fields: F): Shape<Shaped<F>> {
  return (value) => {
    demand(isObject(value), "bad_format", "not an object");
    const entries = Object.entries(fields).map(([name, shape]) => {
      const field = value[name];
      demand(field !== undefined, "bad_format", `missing ${name}`);
      return [name, shape(field)] as const;
    });
    return Object.fromEntries(entries) as Shaped<F>;
  };
}

/** Any object. */
export const anyObject: Shape<JsonObject> = (value) => {
  demand(isObject(value), "bad_format", "not an object");
  return value;
};

/** base64url of exactly `length` bytes, or of any length. Stays text: that is how it is compared and kept. */
export function bytes(length?: number): Shape<B64> {
  return (value) => {
    demand(typeof value === "string", "bad_format", "not base64url");
    unb64(value, length);
    return value;
  };
}

export function integer(least: number, most: number = Number.MAX_SAFE_INTEGER): Shape<number> {
  return (value) => {
    demand(typeof value === "number" && value >= least && value <= most, "bad_format", "integer out of range");
    return value;
  };
}

/** Text of `least` to `most` bytes of UTF-8. */
export function text(most: number, least = 0): Shape<string> {
  return (value) => {
    demand(typeof value === "string", "bad_format", "not text");
    const length = utf8(value).length;
    demand(length >= least && length <= most, "bad_format", "text of the wrong length");
    return value;
  };
}

export function oneOf<const T extends Json>(...allowed: readonly T[]): Shape<T> {
  return (value) => {
    const found = allowed.find((one) => one === value);
    demand(found !== undefined, "bad_format", "value not in the list");
    return found;
  };
}

export const nothing: Shape<null> = oneOf(null);

export const flag: Shape<boolean> = oneOf(true, false);

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return (value) => (value === null ? null : shape(value));
}

export function list<T>(shape: Shape<T>, most: number, least = 0): Shape<readonly T[]> {
  return (value) => {
    demand(Array.isArray(value), "bad_format", "not a list");
    const items = value as readonly Json[];
    demand(items.length >= least && items.length <= most, "bad_format", "list of the wrong length");
    return items.map(shape);
  };
}
