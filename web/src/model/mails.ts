/** What bridges said of messages that left by mail, as far as it is kept beside the log. Pure. */

import { furthest, isOfBridge, mailedOf, type Mailed } from "../protocol/mailed.ts";
import type { AccountId, MessageId } from "../protocol/suite.ts";
import type { EnvelopeEntry, LogEntry } from "./log_entry.ts";

export type { Mailed };

/** By bridge and message. */
export type Mails = Readonly<Record<AccountId, Readonly<Record<MessageId, Mailed>>>>;

/** What a bridge says of messages that are recent when it says so; what is not recent any more is forgotten. */
export function mailsAfter(mails: Mails = {}, recent: readonly { readonly id: MessageId }[], { author, message }: EnvelopeEntry): Mails {
  const said = message?.content.said;
  if (said === undefined || !isOfBridge(said)) return mails;
  const ids = new Set(recent.map(({ id }) => id));
  const known = { ...mails[author] };
  for (const one of said.type === "mailed" ? said.payload.states : []) known[one.message] = furthest(known[one.message], one);
  return { ...mails, [author]: Object.fromEntries(Object.entries(known).filter(([id]) => ids.has(id))) };
}

/** The bridges among the authors of these entries, and what they say in them: by message and bridge. */
export function mailsIn(entries: readonly LogEntry[]): { readonly bridges: readonly AccountId[]; readonly mailed: ReturnType<typeof mailedOf> } {
  const log = entries.flatMap((entry) => {
    const said = entry.type === "envelope" ? entry.message?.content.said : undefined;
    return entry.type === "envelope" && said !== undefined ? [{ id: entry.id, author: entry.author, said }] : [];
  });
  return { bridges: log.filter(({ said }) => isOfBridge(said)).map(({ author }) => author), mailed: mailedOf(log) };
}
