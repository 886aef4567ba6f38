/** Words that several screens share: phrases, problems, people, rights, states. */

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
  /** For good: the patient has left, or has blocked this account. */
  | { readonly name: "refused"; readonly why: "left" | "blocked" }
  | { readonly name: "ended"; readonly by: Person | null; readonly at: number | null };

/** The states in words (docs/spec/protocol.md 7.5) and those of trouble. Catalogue key `state.<name>`. */
export type MessageState =
  | { readonly name: "waiting" }
  | { readonly name: "sending"; readonly progress: number | null }
  | { readonly name: "accepted" }
  /** To the mail system, by a bridge: nobody knows yet whether it arrived. */
  | { readonly name: "handed" }
  | { readonly name: "delivered" }
  | { readonly name: "read"; readonly by: readonly ReadMark[] }
  | { readonly name: "answered"; readonly by: readonly ReadMark[] }
  /** As mail. `reason`: a stable code (docs/spec/mail.md 17), catalogue key `failed.<reason>`. */
  | { readonly name: "failed"; readonly reason: string }
  | { readonly name: "retracted" }
  | { readonly name: "refused"; readonly problem: Problem };

export type ReadMark = { readonly who: Person; readonly at: number };

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
