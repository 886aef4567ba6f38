/**
 * What an accepted account chain says, and how to ask it. Source: docs/spec/protocol.md 5.3.
 */

import type { HolderKind } from "./holder.ts";
import type { AccountId, B64, Bytes, HolderId, Time } from "./suite.ts";

export type AccountKind = "user" | "practice" | "service";

/** A holder as the chain tells it. `endedAt` is the position of the link that ended it. */
export type HolderState = {
  readonly id: HolderId;
  readonly kind: HolderKind;
  readonly name: string;
  readonly sign: B64;
  readonly enc: B64;
  readonly addedAt: number;
  readonly endedAt: number | null;
  readonly revoked: boolean;
};

/** A generation of the user key: what others encrypt to (b64, 1,216 bytes). */
export type UserKeyState = { readonly generation: number; readonly enc: B64; readonly addedAt: number };

/** One term of a delegate: an account may be named, removed and named again. */
export type Delegate = {
  readonly account: AccountId;
  readonly scope: "read" | "write";
  readonly until: Time | null;
  readonly addedAt: number;
  readonly endedAt: number | null;
};

/** Immutable. Keep the newest one of each account, and go on from it with `extendChain`. */
export type ChainState = {
  readonly account: AccountId;
  readonly kind: AccountKind;
  /** Position and hash of the newest link. */
  readonly position: number;
  readonly head: B64;
  /** Hash of each link, by position. */
  readonly heads: readonly B64[];
  readonly holders: ReadonlyMap<HolderId, HolderState>;
  readonly userKeys: readonly UserKeyState[];
  /** Newest generation of the user secret. */
  readonly generation: number;
  /** Wire bytes of the newest certificate, not yet verified under a registry key. */
  readonly certificate: Bytes | null;
  /** Every term there was, oldest first. */
  readonly delegates: readonly Delegate[];
  /** A holder was revoked, and the user secret has not been changed since. */
  readonly rotationDue: boolean;
};

export function activeHolders(state: ChainState): readonly HolderState[] {
  return [...state.holders.values()].filter((holder) => holder.endedAt === null);
}

/** The holder, if it was valid at this position: added at or before it, not ended at or before it. */
export function holderAt(state: ChainState, id: HolderId, position: number): HolderState | undefined {
  const holder = state.holders.get(id);
  return holder !== undefined && covers(holder, position) ? holder : undefined;
}

/** The delegate, if it was one at this position. Whether `until` has passed is for who knows the time. */
export function delegateAt(state: ChainState, account: AccountId, position: number): Delegate | undefined {
  return state.delegates.find((delegate) => delegate.account === account && covers(delegate, position));
}

function covers(term: { readonly addedAt: number; readonly endedAt: number | null }, position: number): boolean {
  return term.addedAt <= position && (term.endedAt === null || position < term.endedAt);
}

/** The newest user key at this position. */
export function userKeyAt(state: ChainState, position: number): UserKeyState | undefined {
  return state.userKeys.findLast((key) => key.addedAt <= position);
}

/** The newest user key: what to encrypt to now. */
export function newestUserKey(state: ChainState): UserKeyState {
  const key = state.userKeys.at(-1);
  if (key === undefined) throw new RangeError("a chain without a user key"); // a genesis always brings one
  return key;
}

/** Public key of a generation. */
export function userKey(state: ChainState, generation: number): B64 | undefined {
  return state.userKeys.find((key) => key.generation === generation)?.enc;
}
