/**
 * What the log of a conversation says: may the patient answer, who has read what, what was replaced.
 * Source: docs/spec/protocol.md 7.5.
 */

import type { Reply, Said } from "./content.ts";
import type { Message } from "./envelope.ts";
import type { Role } from "./epoch_record.ts";
import { demand } from "./errors.ts";
import type { AccountId, MessageId, Time } from "./suite.ts";

export type ReplyRight = {
  readonly reply: "open" | "none" | "until" | "ended";
  readonly until: Time | null;
  /** Who decided it; `null` when nobody has. */
  readonly by: AccountId | null;
};

/** The reply right after these messages, in the order of the log. Without any it is open. */
export function replyRight(log: readonly Message[]): ReplyRight {
  let right: ReplyRight = { reply: "open", until: null, by: null };
  for (const { author, content } of log) {
    if (!isProfessional(author.role)) continue;
    if (content.said.type === "end") right = { reply: "ended", until: null, by: author.id };
    const reply = wordOf(content.said);
    if (reply !== "keep") right = granted(reply, author.id);
  }
  return right;
}

/** Whether somebody with this role may write at this time. Professionals always may. */
export function mayReply(right: ReplyRight, role: Role, at: Time): boolean {
  if (isProfessional(role) || right.reply === "open") return true;
  return right.reply === "until" && right.until !== null && at < right.until;
}

/** Compare with what the server says (alarm `mirror_mismatch`). */
export function checkMirror(right: ReplyRight, policy: Pick<ReplyRight, "reply" | "until">): void {
  const same = right.reply === policy.reply && right.until === policy.until;
  demand(same, "mirror_mismatch", "the server says another reply right");
}

/** A message at its place in the log. */
export type Placed = { readonly seq: number; readonly message: Message };

export type Reading = { readonly member: AccountId; readonly at: Time };

/** Who but its author has read the message at `seq`, each with the time of the first receipt that says so. */
export function readersOf(log: readonly Placed[], seq: number): readonly Reading[] {
  const placeOf = new Map(log.map((placed) => [placed.message.id, placed]));
  const author = log.find((placed) => placed.seq === seq)?.message.author.id;
  const found = new Map<AccountId, Time>();
  for (const { message } of [...log].sort((a, b) => a.seq - b.seq)) {
    const { said, at } = message.content;
    if (said.type !== "receipt" || message.author.id === author || found.has(message.author.id)) continue;
    if ((placeOf.get(said.payload.upto)?.seq ?? 0) >= seq) found.set(message.author.id, at);
  }
  return [...found].map(([member, at]) => ({ member, at }));
}

/** Messages that a later text of the same author replaces, each with the newest replacement. Both stay in the log. */
export function replacements(log: readonly Message[]): ReadonlyMap<MessageId, MessageId> {
  const authors = new Map<MessageId, AccountId>();
  const result = new Map<MessageId, MessageId>();
  for (const { id, author, content } of log) {
    const old = content.said.type === "text" ? content.said.payload.replaces : null;
    if (old !== null && authors.get(old) === author.id) result.set(old, id);
    authors.set(id, author.id);
  }
  return result;
}

/** A text, and an act that expects an answer: no other is a word on the right, whatever it carries. */
function wordOf(said: Said): Reply | "keep" {
  if (said.type === "text") return said.payload.reply;
  if (said.type !== "appointment") return "keep";
  return said.payload.act === "propose" || said.payload.act === "offer" ? said.payload.reply : "keep";
}

function isProfessional(role: Role): boolean {
  return role === "owner" || role === "professional";
}

function granted(reply: Reply, by: AccountId): ReplyRight {
  if (reply === null) return { reply: "open", until: null, by };
  return typeof reply === "string" ? { reply, until: null, by } : { reply: "until", until: reply.until, by };
}
