/** (7) Who had access to what, for a patient. */

import type { Readable } from "../observable";
import type { Disposable, Phrase, Problem } from "./words";

export type AccessRow = {
  readonly id: string;
  readonly at: number;
  /** Who did what. */
  readonly what: Phrase;
  /** Subject of the conversation; empty when it is not here any more. */
  readonly subject: string;
};

export type JournalState = {
  readonly loading: boolean;
  /** Newest first. */
  readonly rows: readonly AccessRow[];
  readonly more: boolean;
  readonly problem: Problem | null;
};

export interface JournalModel extends Disposable {
  readonly state: Readable<JournalState>;
  older(): Promise<void>;
  retry(): void;
}
