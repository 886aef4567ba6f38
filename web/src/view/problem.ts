import type { Problem } from "../viewmodel/types";

/** What a model threw, as something that can be told. */
export function problemOf(error: unknown): Problem {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : "unexpected";
  return { code: typeof code === "string" ? code : "unexpected", alarm: false, retry: false, retryAfter: null };
}
