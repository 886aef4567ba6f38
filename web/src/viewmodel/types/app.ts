/** The whole application: where we are, and the models of the screens. */

import type { Readable } from "../observable";
import type { ActivationModel, InvitationModel, UnlockModel } from "./entrance";
import type { AppointmentsModel } from "./appointment";
import type { ConversationModel } from "./conversation";
import type { InboxModel } from "./inbox";
import type { JournalModel } from "./journal";
import type { NoticeWords, RemindersModel } from "./reminder";
import type { FindingModel, SearchModel, Sought } from "./search";
import type { SettingsModel } from "./settings";
import type { NewConversationModel, WriteModel } from "./write";
import type { Person, Problem } from "./words";

export type Route =
  | { readonly name: "unlock" }
  /** This device was removed from the account; nothing of it is left here. */
  | { readonly name: "removed" }
  | { readonly name: "activation"; readonly token: string }
  /** `link` is the fragment after `/i#`; null: type the code of the letter. */
  | { readonly name: "invitation"; readonly link: string | null }
  | { readonly name: "inbox" }
  /** `sought`: open at what was found there. */
  | { readonly name: "conversation"; readonly conversation: string; readonly sought?: Sought }
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
  /** Fetched when a conversation is opened. */
  appointments(conversation: string): Promise<AppointmentsModel>;
  /** Fetched with what is open. `words`: of the notification, asked for when it is shown. */
  reminders(words: () => NoticeWords): Promise<RemindersModel>;
  /** Fetched when somebody looks for words. `reach`: of the conversation. */
  search(): Promise<SearchModel>;
  finding(conversation: string, reach: (seq: number) => Promise<void>): Promise<FindingModel>;
  newConversation(patient: string | null): NewConversationModel;
  write(to: string | null): WriteModel;
  settings(): SettingsModel;
  journal(): JournalModel;
}
