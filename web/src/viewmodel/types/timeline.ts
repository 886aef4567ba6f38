/** What stands between the head of a conversation and its composer. */

import type { Via, ViaCard } from "../../model/log_entry";
import type { MessageState, Person, Phrase, Problem, ReadMark } from "./words";

export type DocumentCard = {
  readonly id: string;
  /** Message that carries it; null in a draft. */
  readonly message: string | null;
  readonly title: string;
  readonly name: string;
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  /** Catalogue key `document.<code>`: prescription advice report letter image other; null: unsaid. */
  readonly document: string | null;
  readonly preview: "pdf" | "image" | "none";
  readonly openedBy: readonly ReadMark[];
  /** What a bridge read in the document that came by mail; unverified. */
  readonly card?: ViaCard;
  readonly state:
    | { readonly name: "closed" }
    | { readonly name: "loading"; readonly progress: number }
    | { readonly name: "failed"; readonly problem: Problem };
};

/** A document opened and checked to its last byte. */
export type OpenedDocument = { readonly name: string; readonly mediaType: string; readonly bytes: Uint8Array };

export type Entry =
  | {
      readonly kind: "message";
      readonly id: string;
      /** Null while not accepted. */
      readonly seq: number | null;
      readonly author: Person;
      readonly mine: boolean;
      readonly at: number;
      readonly text: string;
      /** Came through a bridge, from this mailbox: there encryption ends. */
      readonly via?: Via;
      readonly documents: readonly DocumentCard[];
      readonly state: MessageState;
      readonly replaces: string | null;
      readonly replacedBy: string | null;
      /** `old_epoch`: written before the members changed, arrived after. Catalogue key `warning.<code>`. */
      readonly warning: string | null;
      readonly canRetract: boolean;
      /** Refused or stuck: text and documents go back to the composer with `takeBack`. */
      readonly canTakeBack: boolean;
    }
  /** An act about an appointment: `AppointmentsModel` says by its id how it is shown. */
  | { readonly kind: "appointment"; readonly id: string; readonly seq: number | null; readonly at: number }
  /** Somebody joined, left, ended, retracted, … Catalogue key in `phrase`. */
  | { readonly kind: "notice"; readonly id: string; readonly at: number; readonly phrase: Phrase }
  /** An envelope that this device cannot or must not show. */
  | { readonly kind: "unreadable"; readonly id: string; readonly at: number; readonly problem: Problem }
  /** "Unread from here"; at most one. */
  | { readonly kind: "unread"; readonly id: string };
