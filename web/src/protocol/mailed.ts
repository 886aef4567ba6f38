/** What became of messages as mail, as the bridges that carried them signed it. Source: docs/spec/protocol.md 7.5. */

import type { MailState, Said } from "./content.ts";
import type { AccountId, MessageId } from "./suite.ts";

export type Mailed = Omit<MailState, "message">;

/** What is needed of a message: a log entry has it, whether it was opened now or before. */
export type Stated = { readonly id: MessageId; readonly author: AccountId; readonly said: Said };

const RANK = { handed: 0, delivered: 1, failed: 2 } as const;

/** The further of two states: none goes back, and of the same the first counts. */
export function furthest(before: Mailed | undefined, { state, reason }: Mailed): Mailed {
  return before === undefined || RANK[state] > RANK[before.state] ? { state, reason } : before;
}

/** By message and bridge, after these messages in the order of the log. */
export function mailedOf(log: readonly Stated[]): ReadonlyMap<MessageId, ReadonlyMap<AccountId, Mailed>> {
  const authors = new Map<MessageId, AccountId>();
  const found = new Map<MessageId, Map<AccountId, Mailed>>();
  for (const { id, author, said } of log) {
    for (const one of said.type === "mailed" ? said.payload.states : []) {
      if ((authors.get(one.message) ?? author) === author) continue; // nowhere before it, or the bridge's own
      const states = found.get(one.message) ?? new Map<AccountId, Mailed>();
      found.set(one.message, states.set(author, furthest(states.get(author), one)));
    }
    authors.set(id, author);
  }
  return found;
}

/** Behind this author mail begins: that its device has a message says nothing about the person. */
export function isOfBridge(said: Said): boolean {
  return said.type === "mailed" || (said.type === "text" && said.payload.via !== undefined);
}
