/** What this device keeps of each event: opened and verified once, then sealed at rest. Ids and hashes are base64url. */

import type { Kind, Policy } from "../api/types.ts";
import type { JsonObject } from "../protocol/codec.ts";
import type { Reason } from "../protocol/epoch_record.ts";
import type { AccountId, HolderId, MemberId, MessageId, Time } from "../protocol/suite.ts";

/** The signed content of an envelope, as far as the client needs it. */
export type OpenedContent = {
  readonly type: string;
  readonly payload: JsonObject;
  readonly author: AccountId;
  readonly device: HolderId;
  readonly at: Time;
  readonly parents: readonly MessageId[];
};

type Placed = { readonly seq: number; readonly at: Time };

export type EnvelopeEntry = Placed & {
  readonly type: "envelope";
  readonly id: MessageId;
  readonly kind: Kind;
  readonly author: AccountId;
  readonly epoch: number;
  /** Null when it was retracted, or when it was refused (`code`). */
  readonly content: OpenedContent | null;
  readonly warnings: readonly string[];
  readonly code: string | null;
  readonly retracted: boolean;
};

export type EpochEntry = Placed & {
  readonly type: "epoch";
  readonly epoch: number;
  readonly author: AccountId;
  readonly reason: Reason;
  readonly added: readonly { readonly id: MemberId; readonly name: string; readonly history: "none" | "partial" | "full" }[];
  readonly removed: readonly { readonly id: MemberId; readonly name: string }[];
};

export type PolicyEntry = Placed & { readonly type: "policy"; readonly policy: Policy };
export type LeftEntry = Placed & { readonly type: "left"; readonly account: AccountId; readonly name: string };
export type RetractedEntry = Placed & {
  readonly type: "retracted";
  readonly id: MessageId;
  readonly by: AccountId;
  readonly target: number;
};

export type LogEntry = EnvelopeEntry | EpochEntry | PolicyEntry | LeftEntry | RetractedEntry;

/** A text of the payload, or nothing. */
export function textOf(content: OpenedContent | null): string {
  const text = content?.payload["text"];
  return typeof text === "string" ? text : "";
}

export function attachmentCount(content: OpenedContent | null): number {
  const attachments = content?.payload["attachments"];
  return Array.isArray(attachments) ? attachments.length : 0;
}

/** What a receipt says it has read up to. */
export function uptoOf(content: OpenedContent | null): MessageId | null {
  const upto = content?.payload["upto"];
  return typeof upto === "string" ? upto : null;
}
