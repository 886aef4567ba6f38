/** (4) The list of conversations. */

import type { Readable } from "../observable";
import type { Disposable, MessageState, Person, Phrase, Problem, ReplyRight } from "./words";

export type InboxFilter = "all" | "unread" | "waiting" | "ended";

export type InboxRow = {
  readonly conversation: string;
  /** Professional: the patient; patient: the professional who owns it. */
  readonly title: Person;
  readonly others: number;
  readonly subject: string;
  readonly at: number;
  /** Start of the newest message, on one line; a phrase when it is not a text. */
  readonly preview: { readonly text: string } | Phrase;
  readonly unread: number;
  readonly reply: ReplyRight;
  /** Of my newest message if it is the newest of all (so it has no answer yet); else null. */
  readonly state: Exclude<MessageState, { readonly name: "answered" }> | null;
  readonly invitation: "open" | "expired" | null;
  readonly alarm: Problem | null;
};

export type InboxState = {
  readonly role: "professional" | "patient";
  readonly rows: readonly InboxRow[];
  readonly counts: Readonly<Record<InboxFilter, number>>;
  readonly filter: InboxFilter;
  readonly search: string;
  readonly loading: boolean;
  /** There is more on the server than is listed: `more()`. */
  readonly hasMore: boolean;
  readonly problem: Problem | null;
};

export interface InboxModel extends Disposable {
  readonly state: Readable<InboxState>;
  search(text: string): void;
  filter(by: InboxFilter): void;
  more(): Promise<void>;
  retry(): void;
}
