/** (7) Devices, sessions, recovery code, language, pharmacy. */

import type { Readable } from "../observable";
import type { Disposable, Person, Problem, RecoveryCode } from "./words";

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
  /** `messageDays`: how long it keeps messages; null: for ever. */
  readonly server: { readonly name: string; readonly version: string; readonly registryKey: string; readonly messageDays: number | null };
  /** Messages that have not left this device: log-off loses them. */
  readonly unsent: number;
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
