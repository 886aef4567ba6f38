/** A MockServer that lets messages go, as docs/spec/api.md 8.2 says or as a liar would. */

import type * as T from "../api/types.ts";
import type { MockServer } from "./mock_server.ts";

export const DAY = 86_400_000;

/** The bytes of what stands before `from` go. `told`: whether the log says so, and whether the summary does. */
export function trim(
  server: MockServer,
  id: string,
  trimmed: T.Trimmed,
  told: { readonly log?: boolean; readonly summary?: boolean } = {},
): void {
  const conversation = server.conversations.get(id);
  if (conversation === undefined) throw new Error("no such conversation");
  if (told.summary !== false) conversation.trimmed = trimmed;
  conversation.events = conversation.events.map((event) => bare(event, trimmed.from));
  for (const account of server.accounts.values()) {
    account.feed = account.feed.map((entry) => (entry.conversation === id ? { ...entry, event: bare(entry.event, trimmed.from) } : entry));
  }
  if (told.log !== false) server.inject(id, (seq, at) => ({ seq, at, type: "trimmed", ...trimmed }));
}

function bare(event: T.Event, from: number): T.Event {
  return event.type === "envelope" && event.seq < from ? { ...event, envelope: null, attachments: [] } : event;
}

/** Only the newest `kept` entries of every feed stay. */
export function shortenFeeds(server: MockServer, kept: number): void {
  for (const account of server.accounts.values()) account.feed = account.feed.slice(-kept);
}
