/**
 * The shared vectors, performed: `tests/vectors/README.md` says what each `op` takes and gives.
 * Nothing here needs Node, so that the same cases run in a real browser.
 */

import { isProtocolCode, ProtocolError } from "../errors.ts";
import { accountOps } from "./vectors_account.ts";
import { appointmentOps } from "./vectors_appointments.ts";
import { basicOps } from "./vectors_basics.ts";
import { conversationOps } from "./vectors_conversation.ts";
import { messageOps } from "./vectors_messages.ts";
import { publishedOps } from "./vectors_published.ts";
import { trimmingOps } from "./vectors_trimming.ts";
import type { Case, Group, Op, Values } from "./vector.ts";

const OPS: { readonly [group: string]: { readonly [op: string]: Op } } = {
  ...basicOps,
  ...accountOps,
  ...conversationOps,
  ...messageOps,
  ...publishedOps,
  ...appointmentOps,
  ...trimmingOps,
};

/** Perform an operation on its input; throws `ProtocolError` for a refusal. */
export async function perform(group: string, values: Values): Promise<object> {
  const op = OPS[group]?.[values.text("op")];
  if (op === undefined) throw new TypeError(`nothing performs ${group}/${values.text("op")}`);
  return op(values);
}

/** Run one case; returns what differs, or `null`. */
export async function difference(group: Group, one: Case): Promise<string | null> {
  const result = await attempt(group.group, one.in);
  if (typeof result === "string") return result === one.expect ? null : `expected ${one.expect}, got ${result}`;
  if (one.expect !== "ok") return `expected ${one.expect}, got ok`;
  const wanted = JSON.stringify(sorted(one.out));
  const got = JSON.stringify(sorted(result));
  return wanted === got ? null : `expected ${wanted.slice(0, 400)}, got ${got.slice(0, 400)}`;
}

async function attempt(group: string, values: Values): Promise<object | string> {
  try {
    return await perform(group, values);
  } catch (error) {
    if (error instanceof ProtocolError && isProtocolCode(error.code)) return error.code;
    return `a crash: ${String(error)}`;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}
