/** (6) A professional writes to somebody new; (8) a patient writes. */

import type { Readable } from "../observable";
import type { Composer } from "./composer";
import type { Disposable, Person, Problem } from "./words";

export type Travel = "qr" | "letter" | "link";

/** Everything the invitation page draws: `link` is what the QR holds. */
export type InvitationToShow = {
  readonly conversation: string;
  readonly name: string;
  readonly subject: string;
  readonly writer: Person;
  readonly link: string;
  /** `XXXX-XXXX-XXXX-X` */
  readonly code: string;
  /** Site address to type, without scheme: `pli.example.org/i`. */
  readonly site: string;
  readonly expires: number;
};

export type NewConversationState = {
  readonly step: "write" | "sending" | "invitation";
  readonly name: string;
  readonly subject: string;
  readonly travel: Travel;
  /** A patient already met: no invitation is needed. */
  readonly patient: Person | null;
  readonly canSend: boolean;
  /** Stretching the letter's code takes a moment: 0 to 1, else null. */
  readonly progress: number | null;
  readonly invitation: InvitationToShow | null;
  readonly problem: Problem | null;
};

export interface NewConversationModel extends Disposable {
  readonly state: Readable<NewConversationState>;
  readonly composer: Composer;
  name(text: string): void;
  subject(text: string): void;
  travel(by: Travel): void;
  send(): Promise<void>;
  /** From the invitation page to the conversation. */
  open(): void;
}

export type Correspondent = {
  readonly account: string;
  readonly name: string;
  readonly profession: string;
  /** "met": somebody who wrote to the patient; "pharmacy": opted in to be written to first. */
  readonly why: "met" | "pharmacy";
};

export type WriteState = {
  readonly step: "choose" | "write" | "sending";
  readonly loading: boolean;
  readonly choices: readonly Correspondent[];
  readonly chosen: Correspondent | null;
  readonly subject: string;
  readonly canSend: boolean;
  readonly problem: Problem | null;
};

export interface WriteModel extends Disposable {
  readonly state: Readable<WriteState>;
  readonly composer: Composer;
  choose(account: string): void;
  back(): void;
  subject(text: string): void;
  /** Goes to the new conversation by itself. */
  send(): Promise<void>;
}
