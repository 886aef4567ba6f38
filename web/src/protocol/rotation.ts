/** When the next sender begins a new epoch with the same members. Source: docs/spec/protocol.md 6.4. */

import type { Accounts, RecordChain } from "./conversation_chain.ts";
import { memberOf } from "./epoch_record.ts";
import type { MemberId, Time } from "./suite.ts";

/** Milliseconds that the keys of an epoch are used at most. */
export const EPOCH_AGE = 90 * 86_400_000;
/** Events of the log that an epoch holds at most: envelopes of every kind and what the server writes between them. */
export const EPOCH_MESSAGES = 5_000;

/**
 * Whether `me` has to rotate before it seals anything. `accounts`: the newest chains of the members, asked for just now: a
 * renewed user key shows only there. `events`: how many events of the log follow the newest record.
 */
export function rotationDue(
  { head }: Pick<RecordChain, "head">,
  accounts: Accounts,
  by: { readonly me: MemberId; readonly at: Time; readonly events: number },
): boolean {
  const member = memberOf(head, by.me);
  const may = member?.history === "full" && member.role !== "delegate" && member.role !== "service"; // 6.3
  if (!may) return false;
  const renewed = head.members.some(
    ({ id, kind, generation }) => kind !== "invite" && (accounts.get(id)?.generation ?? 0) > generation,
  );
  return renewed || by.at - head.at > EPOCH_AGE || by.events >= EPOCH_MESSAGES;
}
