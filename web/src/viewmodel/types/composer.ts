/** The writing box. */

import type { Readable } from "../observable";
import type { Problem } from "./words";

/** A file chosen in the page, its bytes read on demand. The browser's `File` fits. */
export type ChosenFile = {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
};

export type DraftDocument = {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly size: number;
  readonly title: string;
  readonly document: string | null;
  /** 0 to 1 while it is sealed and sent up; 1: it lies sealed on the server. */
  readonly progress: number;
  readonly problem: Problem | null;
};

export type ReplyChoice =
  | { readonly name: "open" }
  | { readonly name: "none" }
  | { readonly name: "days"; readonly days: number };

export type ComposerState = {
  readonly text: string;
  readonly documents: readonly DraftDocument[];
  /** Only a professional chooses; null for everybody else. */
  readonly reply: ReplyChoice | null;
  /** A text that this one corrects ("annule et remplace"). */
  readonly replaces: string | null;
  readonly canSend: boolean;
  /** Too long, file of zero bytes, … */
  readonly problem: Problem | null;
};

/** The writing box: the same in a conversation, in a new conversation and for a patient's new subject. */
export interface Composer {
  readonly state: Readable<ComposerState>;
  write(text: string): void;
  attach(files: readonly ChosenFile[]): void;
  describe(id: string, fields: { readonly title?: string; readonly document?: string }): void;
  detach(id: string): void;
  chooseReply(reply: ReplyChoice): void;
}
