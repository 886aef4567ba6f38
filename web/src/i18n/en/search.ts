import type { search as fr } from "../fr/search";
import type { Message } from "../message";

export const search: Readonly<Record<keyof typeof fr, Message>> = {
  "search.label": "Words to look for in the exchange",
  "search.older": "Older result",
  "search.newer": "Newer result",
  "search.close": "Close the search",
  "search.none": "No message holds these words.",
  "search.short": "Write at least 2 letters.",
  "search.busy": "Looking…",
  "search.at": { one: "{at} of {count} message", other: "{at} of {count} messages" },
  "search.announce": "Message {at} of {count}, by {name}, {date}",
  "search.count": { one: "{count} message found", other: "{count} messages found" },
  "search.first": { one: "The newest is shown.", other: "The {count} newest are shown." },
  "search.scope": { one: "Looked at the message on this device.", other: "Looked at the {count} messages on this device." },
  "search.partial": "Older messages are not on this device yet: to look there, open the exchange.",
  "search.further": "Look in older ones too",
  "search.messages": "In the messages",
};
