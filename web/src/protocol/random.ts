import type { Bytes } from "./suite.ts";

/** Draws `length` unpredictable bytes. An argument everywhere, so that vectors can be fixed. */
export type Random = (length: number) => Bytes;

/** The platform's generator: the one place where it is named. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));
