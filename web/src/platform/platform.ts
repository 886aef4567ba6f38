/**
 * The only door to the browser: everything above asks these interfaces, so that tests can stand in for time, network,
 * storage, other tabs and the person's finger on a passkey.
 */

export type Cancel = () => void;

export interface Clock {
  /** Milliseconds since 1970, as this device believes. Never orders anything. */
  now(): number;
  /** Call `run` once after `ms` milliseconds. */
  after(ms: number, run: () => void): Cancel;
}

export interface Http {
  /** `path` starts with `/v1/`. Rejects only when the network fails. */
  fetch(path: string, init: RequestInit): Promise<Response>;
  /** What a link to this site starts with: scheme, host and port, no slash at the end. */
  readonly origin: string;
}

/** One live connection; events by name as the server sends them. */
export interface LiveSocket {
  emit(name: string, body: unknown): void;
  close(): void;
}

export type LiveHandlers = {
  readonly event: (name: string, body: unknown) => void;
  /** Called once; also when the connection never came up. */
  readonly closed: () => void;
  readonly opened: () => void;
};

export interface Live {
  connect(auth: Readonly<Record<string, unknown>>, handlers: LiveHandlers): LiveSocket;
}

/** Key-value storage in named drawers; one `Storage` is one database. Values are structured-cloned. */
export interface Storage {
  read<T>(drawer: Drawer, key: Key): Promise<T | undefined>;
  /** Ascending by key, between two keys inclusive; `newest`: the last so many (still ascending). */
  range<T>(drawer: Drawer, from: Key, to: Key, newest?: number): Promise<readonly Stored<T>[]>;
  /** All changes in one transaction, durable when the promise resolves; rejects when nothing was written. */
  write(changes: readonly Change[]): Promise<void>;
  /** Delete everything and close. */
  wipe(): Promise<void>;
}

export type Drawer = "device" | "own" | "accounts" | "conversations" | "events" | "outbox" | "uploads";
export type Key = string | readonly (string | number)[];
export type Stored<T> = { readonly key: Key; readonly value: T };
export type Change =
  | { readonly drawer: Drawer; readonly key: Key; readonly put: unknown }
  | { readonly drawer: Drawer; readonly key: Key; readonly remove: true }
  | { readonly drawer: Drawer; readonly from: Key; readonly to: Key; readonly remove: true }
  | { readonly drawer: Drawer; readonly clear: true };

export interface Tabs {
  /** Run `work` while no other tab (nor this one) runs work of the same name. */
  exclusive<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** `lead` is called when this tab has become the leader, `lost` when another one took over. */
  elect(name: string, handlers: { readonly lead: () => void; readonly lost: () => void }): Candidacy;
  /** Hear and tell the other tabs of this site (never this one). */
  join(name: string, hear: (message: unknown) => void): { tell(message: unknown): void; close(): void };
}

export interface Candidacy {
  /** Take over from a leader that no longer answers. */
  seize(): void;
  resign(): void;
}

export type PasskeyResult = {
  readonly credential: Uint8Array<ArrayBuffer>;
  /** 32 bytes; null when this passkey cannot keep a secret. */
  readonly prf: Uint8Array<ArrayBuffer> | null;
};

export interface Passkeys {
  available(): Promise<boolean>;
  /** Rejects with `PasskeyError` when the person said no. */
  create(about: { readonly name: string; readonly input: Uint8Array<ArrayBuffer> }): Promise<PasskeyResult>;
  get(input: Uint8Array<ArrayBuffer>): Promise<PasskeyResult>;
}

export class PasskeyError extends Error {
  override readonly name = "PasskeyError";
}

export interface Address {
  /** `note`: what `show` put beside this address. It outlives a reload, and no link can carry it. */
  readonly current: { readonly path: string; readonly fragment: string; readonly note: string | null };
  /** Show another path; `replace` leaves no trace of the present one (and of the secret in its fragment). */
  show(path: string, how: "push" | "replace", note?: string): void;
  watch(moved: () => void): Cancel;
}

export interface Network {
  readonly online: boolean;
  watch(changed: () => void): Cancel;
}

export interface Visibility {
  readonly visible: boolean;
  watch(changed: () => void): Cancel;
}

/** Notifications of the device, of this site. They lie on a locked screen: whoever shows one sees to its words. */
export interface Notices {
  readonly permission: "granted" | "denied" | "default" | "unsupported";
  /** Ask the person, at their own gesture. */
  ask(): Promise<Notices["permission"]>;
  /** One notification a `tag`: a later one takes its place. Never rejects. */
  show(tag: string, words: { readonly title: string; readonly body: string }): Promise<void>;
  clear(tag: string): Promise<void>;
}

/** A typed code after Argon2id: what finds its box (b64) and what opens it. Source: docs/spec/protocol.md 9.2. */
export type StretchedCode = { readonly locator: string; readonly opener: Uint8Array<ArrayBuffer> };

/** Argon2id away from the page's thread. `code`: as typed, already checked; `salt`: 16 bytes; `progress`: 0 to 1. */
export type Stretch = (
  code: string,
  salt: Uint8Array<ArrayBuffer>,
  progress: (share: number) => void,
) => Promise<StretchedCode>;

export interface Platform {
  readonly clock: Clock;
  random(length: number): Uint8Array<ArrayBuffer>;
  readonly http: Http;
  readonly live: Live;
  storage(): Promise<Storage>;
  readonly tabs: Tabs;
  readonly passkeys: Passkeys;
  readonly address: Address;
  readonly network: Network;
  readonly visibility: Visibility;
  readonly notices: Notices;
  readonly stretch: Stretch;
  /** A short name for this device in the list of devices ("Firefox, Linux"). */
  readonly deviceName: string;
  readonly language: string;
  /** IANA name of the zone that the device's clock shows. */
  readonly zone: string;
  /** Put a file where the person's downloads go. */
  save(name: string, mediaType: string, bytes: Uint8Array<ArrayBuffer>): void;
  /** What this browser lacks, or null. */
  missing(): Promise<"unsupported_browser" | "storage_unavailable" | null>;
}
