/** How the MockServer answers. */

import type { ServerInfo } from "../api/types.ts";
import { b64 } from "../protocol/codec.ts";

export type Answer = { readonly status: number; readonly body?: unknown };

/** What a test does to a call: refuse it, lose its answer after doing it, or hold it. */
export type Trick = {
  readonly on: RegExp;
  readonly times: number;
  readonly answer?: Answer;
  readonly lose?: "request" | "answer";
  readonly hold?: Promise<void>;
};

export function ok(body: unknown, status = 200): Answer {
  return { status, body };
}

export function refuse(status: number, code: string, more: object = {}): Answer {
  return { status, body: { type: "about:blank", title: code, status, code, ...more } };
}

export function respond({ status, body }: Answer): Response {
  if (body === undefined) return new Response(null, { status });
  const type = status >= 400 ? "application/problem+json" : "application/json";
  return new Response(JSON.stringify(body), { status, headers: { "Content-Type": type } });
}

/** The long poll: two seconds instead of twenty-five. */
export async function waitFor(something: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !something(); i += 1) await new Promise((wake) => setTimeout(wake, 5));
}

/** What a server in memory says about itself. */
export function serverInfo(registryKey: string, now: number): ServerInfo {
  const limits = { envelope: 262_144, attachment: 104_857_600, upload_part: 8_388_608 };
  const id = b64(new Uint8Array(16).fill(7));
  const salt = b64(new Uint8Array(16).fill(8));
  return { id, name: "Mock", version: "0", registry_key: registryKey, code_salt: salt, now, demo: false, limits };
}
