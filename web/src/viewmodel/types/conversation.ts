/** (5) One conversation and its members. */

import type { Readable } from "../observable";
import type { Composer } from "./composer";
import type { Entry, OpenedDocument } from "./timeline";
import type { Disposable, Person, Phrase, Problem, ReplyRight } from "./words";
import type { InvitationToShow } from "./write";

export type ConversationState = {
  readonly loading: boolean;
  readonly subject: string;
  readonly me: Person | null;
  readonly people: readonly Person[];
  /** Who the send button names: the patient, or the owner for a patient. */
  readonly recipient: Person | null;
  readonly reply: ReplyRight;
  /** The sentence above the composer (`reply.open`, `reply.until`, `reply.none`, `reply.ended`, …). */
  readonly replySentence: Phrase;
  readonly mayWrite: boolean;
  readonly mayEnd: boolean;
  readonly mayChangeMembers: boolean;
  readonly entries: readonly Entry[];
  /** Older messages on the server: `older()` when the reader scrolls up. */
  readonly older: "none" | "available" | "loading";
  readonly send:
    | { readonly name: "ready" }
    /** Professionals: counts down from 10; `undo()` brings the text back, `sendNow()` does not wait. */
    | { readonly name: "undoable"; readonly seconds: number }
    | { readonly name: "busy" };
  /** An open invitation (the professional can show or renew it); null when none. */
  readonly invitation: { readonly state: "open" | "expired"; readonly expires: number } | null;
  /** Stops everything here: nothing is sent. */
  readonly alarm: Problem | null;
  readonly problem: Problem | null;
};

export interface ConversationModel extends Disposable {
  readonly state: Readable<ConversationState>;
  readonly composer: Composer;
  readonly members: MembersModel;
  older(): Promise<void>;
  /** Show the entries down to the place `seq` of one that lies on this device. */
  reach(seq: number): Promise<void>;
  /** Entries up to the one of this id are in a human's sight: a little later the read mark moves and the signed receipt goes. */
  seen(newest: string): void;
  send(): void;
  sendNow(): void;
  undo(): void;
  retract(message: string): Promise<void>;
  /** Try a refused or waiting message again. */
  resend(message: string): Promise<void>;
  /** Put a refused message back into the composer. */
  takeBack(message: string): Promise<void>;
  correct(message: string): void;
  end(reason: string): Promise<void>;
  leave(): Promise<void>;
  openDocument(message: string, document: string): Promise<OpenedDocument>;
  saveDocument(message: string, document: string): Promise<void>;
  /** A fresh invitation for the place that nobody took; null: `problem` says why not, or no place is open. */
  renewInvitation(): Promise<InvitationToShow | null>;
  /** The invitation made on this browser, if it is still open and still known here. */
  showInvitation(): Promise<InvitationToShow | null>;
  retry(): void;
}

export type FoundPerson = {
  readonly account: string;
  readonly name: string;
  readonly profession: string;
  readonly identifier: string;
};

export type Member = Person & {
  readonly canRemove: boolean;
  readonly history: "none" | "partial" | "full";
  /** The patient may refuse what this professional writes, and has (or not); null: that is not for me to decide. */
  readonly blocked: boolean | null;
};

export type MembersState = {
  readonly people: readonly Member[];
  readonly query: string;
  readonly found: readonly FoundPerson[];
  readonly searching: boolean;
  readonly busy: boolean;
  readonly problem: Problem | null;
};

export interface MembersModel {
  readonly state: Readable<MembersState>;
  search(text: string): void;
  add(account: string, history: "none" | "full"): Promise<void>;
  remove(member: string): Promise<void>;
  /** The patient takes nothing more from a professional; may be undone. */
  block(account: string): Promise<void>;
  unblock(account: string): Promise<void>;
}
