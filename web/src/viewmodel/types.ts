/**
 * What each screen shows and offers. Views code against these interfaces alone; the classes behind them are made by
 * `App` (app.ts). States are immutable snapshots: a new object for every change. No sentence is ever in here: texts
 * come as `Phrase` (a key of the catalogue and its parameters), refusals as `Problem` (catalogue key `error.<code>`).
 * Times are milliseconds since 1970 for display only. Ids are base64url text.
 */

import type { Readable } from "./observable";

// ---- words shared by the screens --------------------------------------------------------------------------------

export type Phrase = { readonly key: string; readonly params: Readonly<Record<string, string | number>> };

/**
 * A refusal to be told. The sentence is `error.<code>`; `alarm` draws the full-width red card (something between the
 * people of this conversation lies or is broken), `retry` offers "try again".
 */
export type Problem = {
  readonly code: string;
  readonly alarm: boolean;
  readonly retry: boolean;
  /** Seconds to wait, told with `too_many_tries`; else null. */
  readonly retryAfter: number | null;
};

export type Role = "owner" | "professional" | "member" | "patient" | "delegate" | "service";

export type Person = {
  /** Account id, or the invite's member id while nobody has taken the place. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Code of TRE_G15 ("10" doctor, "21" pharmacist, …): catalogue key `profession.<code>`; null for patients. */
  readonly profession: string | null;
  /** RPPS number, 11 digits. */
  readonly identifier: string | null;
  /** True only when this device itself checked the certificate under the pinned registry key. */
  readonly verified: boolean;
  readonly me: boolean;
  /** "invited": the place is still open, waiting for the person. */
  readonly standing: "member" | "invited" | "left";
};

export type ReplyRight =
  | { readonly name: "open" }
  | { readonly name: "none"; readonly by: Person | null }
  | { readonly name: "until"; readonly at: number; readonly passed: boolean; readonly by: Person | null }
  | { readonly name: "ended"; readonly by: Person | null; readonly at: number | null };

/** The five states in words (ux.md 3.5) and the two of trouble. Catalogue key `state.<name>`. */
export type MessageState =
  | { readonly name: "waiting" }
  | { readonly name: "sending"; readonly progress: number | null }
  | { readonly name: "accepted" }
  | { readonly name: "delivered" }
  | { readonly name: "read"; readonly by: readonly ReadMark[] }
  | { readonly name: "retracted" }
  | { readonly name: "refused"; readonly problem: Problem };

export type ReadMark = { readonly who: Person; readonly at: number };

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
  /** Somebody joined, left, ended, retracted, … Catalogue key in `phrase`. */
  | { readonly kind: "notice"; readonly id: string; readonly at: number; readonly phrase: Phrase }
  /** An envelope that this device cannot or must not show. */
  | { readonly kind: "unreadable"; readonly id: string; readonly at: number; readonly problem: Problem }
  /** "Unread from here"; at most one. */
  | { readonly kind: "unread"; readonly id: string };

/** A file chosen in the page, its bytes read on demand. The browser's `File` fits. */
export type ChosenFile = {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  arrayBuffer(): Promise<ArrayBuffer>;
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

/** A code typed by hand. `text` is already grouped; `missing` counts characters ("il en manque 5"). */
export type CodeField = {
  readonly text: string;
  readonly missing: number;
  /** `bad_code` or `bad_check`, only once complete. */
  readonly problem: "bad_code" | "bad_check" | null;
};

/** The recovery code shown once: print, copy, save, or "I have put it away". */
export type RecoveryCode = {
  /** Seven groups of four characters. */
  readonly groups: readonly string[];
  /** The groups joined by "-". */
  readonly text: string;
};

export interface Disposable {
  /** Let go of subscriptions and timers; a view calls it when it goes. */
  dispose(): void;
}

// ---- the whole application --------------------------------------------------------------------------------------

export type Route =
  | { readonly name: "unlock" }
  | { readonly name: "activation"; readonly token: string }
  /** `link` is the fragment after `/i#`; null: type the code of the letter. */
  | { readonly name: "invitation"; readonly link: string | null }
  | { readonly name: "inbox" }
  | { readonly name: "conversation"; readonly conversation: string }
  /** Professional. `patient`: an account already met (new subject), null: invite somebody. */
  | { readonly name: "new"; readonly patient: string | null }
  /** Patient. `to`: a professional already met, null: choose a person or an open pharmacy. */
  | { readonly name: "write"; readonly to: string | null }
  | { readonly name: "settings" };

export type Connection =
  | "live"
  /** The socket fails, long poll works: no sentence needed, messages come. */
  | "polling"
  | "connecting"
  | "offline"
  /** The session has ended: full-width bar, "se reconnecter". */
  | "ended";

export type AppState = {
  readonly phase: "starting" | "locked" | "open";
  readonly route: Route;
  readonly connection: Connection;
  /** Null while locked. */
  readonly me: Person | null;
  readonly language: string | null;
  readonly unread: number;
  readonly serverName: string;
  readonly demo: boolean;
  /** An alarm about the server or the own account (rollback, fork, changed registry key); it stays. */
  readonly alarm: Problem | null;
  /** Could not start (no WebCrypto Ed25519, no IndexedDB, server unreachable). */
  readonly problem: Problem | null;
};

export interface AppModel {
  readonly state: Readable<AppState>;
  /** Read the address, take secrets out of it, open the stored session if there is one. */
  start(): Promise<void>;
  go(route: Route): void;
  /** The path of a route, for real links (`href`). Routes with secrets give their bare path. */
  path(route: Route): string;
  logOff(): Promise<void>;
  unlock(): UnlockModel;
  activation(token: string): ActivationModel;
  invitation(link: string | null): InvitationModel;
  inbox(): InboxModel;
  conversation(id: string): ConversationModel;
  newConversation(patient: string | null): NewConversationModel;
  write(to: string | null): WriteModel;
  settings(): SettingsModel;
}

// ---- (1) first page, unlock -------------------------------------------------------------------------------------

export type UnlockState = {
  readonly code: CodeField;
  readonly busy: boolean;
  /** This browser can use passkeys with PRF. */
  readonly passkey: boolean;
  readonly problem: Problem | null;
};

/** After success the app goes to the inbox (or where the user wanted to go) by itself. */
export interface UnlockModel extends Disposable {
  readonly state: Readable<UnlockState>;
  type(text: string): void;
  submit(): Promise<void>;
  usePasskey(): Promise<void>;
  /** "J'ai une lettre". */
  haveLetter(): void;
}

// ---- (2) activation of a professional ---------------------------------------------------------------------------

export type ActivationState =
  | { readonly step: "loading" }
  | { readonly step: "refused"; readonly problem: Problem }
  /** What the operator has checked; one button: `accept`. */
  | {
      readonly step: "hello";
      readonly name: string;
      readonly profession: string;
      readonly identifier: string;
      readonly problem: Problem | null;
    }
  | { readonly step: "working" }
  | { readonly step: "recovery"; readonly code: RecoveryCode; readonly name: string }
  | { readonly step: "passkey"; readonly busy: boolean; readonly problem: Problem | null }
  | { readonly step: "done" };

export interface ActivationModel extends Disposable {
  readonly state: Readable<ActivationState>;
  retry(): void;
  accept(): Promise<void>;
  /** "I have put it away": goes on to the passkey where one is possible, else to done. */
  keptCode(): void;
  addPasskey(): Promise<void>;
  skipPasskey(): void;
  /** From "done" to the inbox. */
  open(): void;
}

// ---- (3) invitation ---------------------------------------------------------------------------------------------

export type InvitationState =
  /** Type the 13 characters of the letter. `progress` 0 to 1 while the device stretches the code, else null. */
  | { readonly step: "code"; readonly code: CodeField; readonly progress: number | null; readonly problem: Problem | null }
  | { readonly step: "opening" }
  | { readonly step: "refused"; readonly problem: Problem }
  | {
      readonly step: "letter";
      readonly writer: Person;
      readonly people: readonly Person[];
      /** The name the professional wrote for the invited person. */
      readonly invited: string;
      readonly subject: string;
      readonly entries: readonly Entry[];
      readonly expires: number;
      /** Somebody is already logged in on this browser and may take the letter with that account. */
      readonly account: Person | null;
      readonly problem: Problem | null;
    }
  | { readonly step: "working" }
  | { readonly step: "recovery"; readonly code: RecoveryCode; readonly name: string }
  | { readonly step: "passkey"; readonly busy: boolean; readonly problem: Problem | null };

export interface InvitationModel extends Disposable {
  readonly state: Readable<InvitationState>;
  type(text: string): void;
  submitCode(): Promise<void>;
  retry(): void;
  openDocument(message: string, document: string): Promise<OpenedDocument>;
  /** Make an account (no password) and take the place; `existing`: with the account of this browser. */
  accept(choice: "new" | "existing"): Promise<void>;
  keptCode(): void;
  addPasskey(): Promise<void>;
  skipPasskey(): void;
}

// ---- (4) inbox --------------------------------------------------------------------------------------------------

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
  /** Of my newest message if it is the newest of all; else null. */
  readonly state: MessageState | null;
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

// ---- (5) conversation -------------------------------------------------------------------------------------------

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
  /** The newest entry is visible to a human: moves the read mark and sends the signed receipt (debounced). */
  seen(): void;
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
  /** A fresh invitation for the place that nobody took. */
  renewInvitation(): Promise<InvitationToShow>;
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

export type MembersState = {
  readonly people: readonly (Person & { readonly canRemove: boolean; readonly history: "none" | "partial" | "full" })[];
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
}

// ---- (6) new conversation by a professional -----------------------------------------------------------------------

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

// ---- (7) settings, who can read ----------------------------------------------------------------------------------

export type HolderRow = {
  readonly id: string;
  readonly kind: "device" | "recovery" | "passkey";
  readonly name: string;
  readonly current: boolean;
  readonly canRemove: boolean;
};

export type SessionRow = {
  readonly id: string;
  readonly holderName: string;
  readonly created: number;
  readonly lastUsed: number;
  readonly current: boolean;
};

export type SettingsState = {
  readonly loading: boolean;
  readonly me: Person | null;
  readonly holders: readonly HolderRow[];
  readonly sessions: readonly SessionRow[];
  readonly language: string | null;
  /** Null unless the account is a pharmacist's. */
  readonly acceptsPatients: boolean | null;
  readonly passkeyPossible: boolean;
  /** A code just made, to be shown once. */
  readonly recovery: RecoveryCode | null;
  readonly server: { readonly name: string; readonly version: string; readonly registryKey: string };
  readonly busy: boolean;
  readonly problem: Problem | null;
};

export interface SettingsModel extends Disposable {
  readonly state: Readable<SettingsState>;
  /** A new recovery code; the old one stops working. */
  renewRecovery(): Promise<void>;
  keptCode(): void;
  addPasskey(): Promise<void>;
  /** A lost or stolen device: it can open nothing that is written from now on. */
  removeHolder(id: string): Promise<void>;
  endSession(id: string): Promise<void>;
  language(tag: string): Promise<void>;
  acceptPatients(yes: boolean): Promise<void>;
  logOff(): Promise<void>;
  retry(): void;
}

// ---- (8) a patient writes ------------------------------------------------------------------------------------------

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
