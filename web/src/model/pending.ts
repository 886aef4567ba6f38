/** What waits to be sent, and what becomes of it after an attempt. Values in, decision out. */

import type { ReplyMirror, Submission } from "../api/types.ts";
import type { Sayable } from "../protocol/content.ts";
import type { AttachmentId, ConversationId, MessageId } from "../protocol/suite.ts";

export type { ReplyMirror } from "../api/types.ts";

/** What the person meant, not sealed yet: kept so that it can be sealed again under a newer epoch. */
export type Intent = {
  readonly said: Sayable;
  readonly attachments: readonly AttachmentId[];
  /** What the server mirrors; null except for what a professional says, `keep` for an act that is no word on it. */
  readonly reply: ReplyMirror | "keep" | null;
  /** With a receipt: the seq it reads up to. */
  readonly readSeq: number | null;
};

/** Sealed bytes: sent as they are, again and again, until the server answers. */
export type SealedIntent = { readonly id: MessageId; readonly epoch: number; readonly submission: Submission };

export type PendingState =
  | { readonly name: "queued" }
  | { readonly name: "waiting"; readonly attempt: number; readonly notBefore: number }
  /** On the server; stays until the log itself brings it. */
  | { readonly name: "accepted"; readonly seq: number; readonly at: number }
  | { readonly name: "refused"; readonly code: string };

export type Pending = {
  readonly id: string;
  readonly conversation: ConversationId;
  /** Ascending: what is written first goes first. */
  readonly order: number;
  readonly at: number;
  /** "Undo" is possible until then. */
  readonly heldUntil: number;
  readonly intent: Intent;
  readonly sealed: SealedIntent | null;
  readonly state: PendingState;
};

export type Outcome =
  | { readonly name: "accepted"; readonly seq: number; readonly at: number }
  /** No answer, or "later": the same bytes again. */
  | { readonly name: "later"; readonly seconds: number | null }
  /** The members changed: the same meaning, sealed under the new epoch. */
  | { readonly name: "stale" }
  | { readonly name: "refused"; readonly code: string };

const FIRST_WAIT = 1_000; // milliseconds
const LONGEST_WAIT = 60_000;

/** Pure: the caller persists, then shows. `chance` is random in [0, 1). */
export function afterAttempt(was: Pending, outcome: Outcome, now: number, chance: number): Pending {
  switch (outcome.name) {
    case "accepted":
      return { ...was, state: outcome };
    case "stale":
      return { ...was, sealed: null, state: { name: "queued" } };
    case "refused":
      return { ...was, state: { name: "refused", code: outcome.code } };
    case "later": {
      const attempt = was.state.name === "waiting" ? was.state.attempt + 1 : 1;
      const wait = outcome.seconds === null ? backOff(attempt, chance) : outcome.seconds * 1_000;
      return { ...was, state: { name: "waiting", attempt, notBefore: now + wait } };
    }
  }
}

/** Doubles up to a minute, spread by a half, so that a thousand browsers do not come back together. */
export function backOff(attempt: number, chance: number): number {
  return Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * (0.5 + chance / 2);
}

/** When this may be tried; null: not by itself. */
export function dueAt(pending: Pending): number | null {
  if (pending.state.name === "queued") return pending.heldUntil;
  if (pending.state.name === "waiting") return Math.max(pending.heldUntil, pending.state.notBefore);
  return null;
}
