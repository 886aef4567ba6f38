/** Words looked for in the messages that lie on this device: in one conversation, and over all. */

import type { Piece } from "../../model/marking";
import type { Readable } from "../observable";
import type { Disposable, Person } from "./words";

export type { Piece };

/** Where a search leads in a conversation. Only in memory: what is looked for never stands in an address. */
export type Sought = { readonly query: string; readonly message: string };

export type FindingState = {
  readonly query: string;
  /** Folded, for the marks; empty while the query is too short. */
  readonly words: readonly string[];
  readonly busy: boolean;
  /** How many messages were found; null: nothing was looked for. */
  readonly count: number | null;
  /** The one that is shown, 1 is the newest; 0: none. */
  readonly at: number;
  /** Its id, and who wrote it when. */
  readonly shown: { readonly message: string; readonly author: string; readonly at: number } | null;
  readonly looked: number;
  /** Older messages are on the server only: `further()` fetches some. */
  readonly partial: boolean;
};

/** In the conversation on the screen. */
export interface FindingModel extends Disposable {
  readonly state: Readable<FindingState>;
  search(query: string): void;
  /** Begin with a message that was found elsewhere. */
  seek(sought: Sought): void;
  older(): void;
  newer(): void;
  further(): Promise<void>;
}

export type FoundRow = {
  readonly conversation: string;
  readonly message: string;
  readonly title: Person;
  readonly subject: string;
  readonly author: string;
  readonly at: number;
  readonly excerpt: readonly Piece[];
};

export type SearchState = {
  readonly query: string;
  readonly busy: boolean;
  /** Newest first, at most 100. */
  readonly rows: readonly FoundRow[];
  readonly count: number | null;
  readonly looked: number;
  readonly partial: boolean;
};

/** Over all conversations. */
export interface SearchModel extends Disposable {
  readonly state: Readable<SearchState>;
  search(query: string): void;
}
