/** The access journal of an account: a hash chain over what the server tells. Source: docs/spec/api.md 8.1. */

import { b64, encodeCanonical } from "./codec.ts";
import { ProtocolError } from "./errors.ts";
import { hash } from "./kdf.ts";
import type { AccountId, B64, ConversationId } from "./suite.ts";

export type Entry = {
  readonly position: number;
  readonly kind: string;
  readonly at: number;
  readonly who: AccountId;
  readonly conversation: ConversationId;
  readonly attachment: B64 | null;
  readonly previous: B64;
};

/** How far a journal is known: the newest position (0: empty) and its hash. */
export type Head = { readonly position: number; readonly hash: B64 };

export const EMPTY: Head = { position: 0, hash: b64(new Uint8Array(32)) };

/** Go on from `known` through `entries`, ascending. @throws ProtocolError `not_next`, `fork` */
export async function follow(account: AccountId, known: Head, entries: readonly Entry[]): Promise<Head> {
  let head = known;
  for (const entry of entries) {
    const { position, kind, at, who, conversation, attachment, previous } = entry;
    if (position !== head.position + 1) throw new ProtocolError("not_next", "an entry of the journal is missing");
    if (previous !== head.hash) throw new ProtocolError("fork", "the journal has another past");
    const told = { account, at, attachment, conversation, kind, position, previous, who };
    head = { position, hash: b64(await hash("journal", encodeCanonical(told))) };
  }
  return head;
}
