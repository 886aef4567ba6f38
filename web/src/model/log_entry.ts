/** What this device keeps of each event: opened and verified once, then sealed at rest. Ids and hashes are base64url. */

import type { Kind, Policy } from "../api/types.ts";
import type { Message } from "../protocol/envelope.ts";
import type { Reason } from "../protocol/epoch_record.ts";
import type { AccountId, MemberId, MessageId, Time } from "../protocol/suite.ts";
import type { Trimmed } from "../protocol/trimming.ts";
import type { Via, ViaCard } from "../protocol/via.ts";

type Placed = { readonly seq: number; readonly at: Time };

/** Where a message came from, as a bridge says. */
export type { Via, ViaCard };

export type EnvelopeEntry = Placed & {
  readonly type: "envelope";
  readonly id: MessageId;
  readonly kind: Kind;
  readonly author: AccountId;
  readonly epoch: number;
  /** Opened and verified; null when it was retracted, trimmed, or refused (`code`). */
  readonly message: Message | null;
  readonly code: string | null;
  readonly retracted: boolean;
  /** The server no longer had it when it came here: the place is all there is. */
  readonly trimmed?: boolean;
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
/** Whoever the invitation was for wants no account. */
export type RefusedEntry = Placed & { readonly type: "refused"; readonly member: MemberId; readonly name: string };
/** `by`: the patient's name; `name`: the professional's. */
export type BlockedEntry = Placed & {
  readonly type: "blocked";
  readonly professional: AccountId;
  readonly by: string;
  readonly name: string;
  readonly blocked: boolean;
};
export type RetractedEntry = Placed & {
  readonly type: "retracted";
  readonly id: MessageId;
  readonly by: AccountId;
  readonly target: number;
};

/** Where the log of the server begins from now on. */
export type TrimmedEntry = Placed & Trimmed & { readonly type: "trimmed" };

/** A message that stands at an earlier place: it counts there. */
export type AgainEntry = Placed & { readonly type: "again"; readonly id: MessageId };

export type LogEntry =
  | EnvelopeEntry
  | EpochEntry
  | PolicyEntry
  | LeftEntry
  | RefusedEntry
  | BlockedEntry
  | RetractedEntry
  | TrimmedEntry
  | AgainEntry;

/** The text of a message without what its cards show: that is not said twice. */
export function shownText({ text, via }: { readonly text: string; readonly via?: Via }): string {
  return via === undefined ? text : text.split("\n\n").slice(via.lead).join("\n\n");
}

export function isEnvelope(entry: LogEntry): entry is EnvelopeEntry {
  return entry.type === "envelope";
}
