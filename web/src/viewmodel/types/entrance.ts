/** The ways in: (1) unlock, (2) activation of a professional, (3) invitation. */

import type { Readable } from "../observable";
import type { Entry, OpenedDocument } from "./timeline";
import type { CodeField, Disposable, Person, Problem, RecoveryCode } from "./words";

/** Somebody else's account is open on this device. `name`: "" when unknown; `unsent`: messages that would be lost, null: unknown. */
export type InUse = { readonly name: string; readonly unsent: number | null };

export interface TakesOver {
  /** Close the other account on this device, then go on. */
  takeOver(): Promise<void>;
  /** Leave everything as it is. */
  keep(): void;
}

export type UnlockState = {
  readonly code: CodeField;
  readonly busy: boolean;
  /** This browser can use passkeys with PRF. */
  readonly passkey: boolean;
  readonly inUse: InUse | null;
  readonly problem: Problem | null;
};

/** After success the app goes to the inbox (or where the user wanted to go) by itself. */
export interface UnlockModel extends Disposable, TakesOver {
  readonly state: Readable<UnlockState>;
  type(text: string): void;
  submit(): Promise<void>;
  usePasskey(): Promise<void>;
  /** "J'ai une lettre". */
  haveLetter(): void;
}

export type ActivationState =
  | { readonly step: "loading" }
  | { readonly step: "refused"; readonly problem: Problem }
  /** What the operator has checked; one button: `accept`. */
  | {
      readonly step: "hello";
      readonly name: string;
      readonly profession: string;
      readonly identifier: string;
      readonly inUse: InUse | null;
      readonly problem: Problem | null;
    }
  | { readonly step: "working" }
  | { readonly step: "recovery"; readonly code: RecoveryCode; readonly name: string }
  | { readonly step: "passkey"; readonly busy: boolean; readonly problem: Problem | null }
  | { readonly step: "done" };

export interface ActivationModel extends Disposable, TakesOver {
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
      readonly inUse: InUse | null;
      readonly problem: Problem | null;
    }
  | { readonly step: "working" }
  /** The person wants no account; the sender is told. */
  | { readonly step: "declined"; readonly name: string }
  | { readonly step: "recovery"; readonly code: RecoveryCode; readonly name: string }
  | { readonly step: "passkey"; readonly busy: boolean; readonly problem: Problem | null };

export interface InvitationModel extends Disposable, TakesOver {
  readonly state: Readable<InvitationState>;
  type(text: string): void;
  submitCode(): Promise<void>;
  retry(): void;
  openDocument(message: string, document: string): Promise<OpenedDocument>;
  /** Make an account (no password) and take the place; `existing`: with the account of this browser. */
  accept(choice: "new" | "existing"): Promise<void>;
  /** No account: the letter ends, for good. */
  decline(): Promise<void>;
  keptCode(): void;
  addPasskey(): Promise<void>;
  skipPasskey(): void;
}
