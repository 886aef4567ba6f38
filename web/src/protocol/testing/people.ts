/**
 * People with real keys, for tests: what a device of theirs would do.
 */

import { createAccount, type NewAccount } from "../account.ts";
import type { ChainState } from "../chain_state.ts";
import type { Sayable } from "../content.ts";
import { createConversation, openConversation, type Author, type Commit, type Conversation } from "../conversation.ts";
import type { BoxOpener } from "../epoch.ts";
import { sealMessage, type SealedMessage } from "../envelope.ts";
import { holderFromSeed, type Holder } from "../holder.ts";
import { newInvitation, type Invite } from "../invitation.ts";
import { systemRandom } from "../random.ts";
import type { Bytes, MemberId, Time } from "../suite.ts";

export const NOW: Time = 1_790_000_000_000;
export const LATER: Time = NOW + 30 * 86_400_000;

export type Person = NewAccount & { readonly id: MemberId; readonly device: Holder; readonly author: Author };

export async function person(deviceName = "device"): Promise<Person> {
  const device = await newDevice();
  const account = await createAccount({ device, deviceName, at: NOW });
  return { ...account, id: account.chain.account, device, author: { chain: account.chain, device } };
}

export async function newDevice(): Promise<Holder> {
  return holderFromSeed(systemRandom(32));
}

/** The chains of these people, as a client keeps them. */
export function chainsOf(...people: readonly { readonly chain: ChainState }[]): ReadonlyMap<MemberId, ChainState> {
  return new Map(people.map(({ chain }) => [chain.account, chain]));
}

/** The box of a member in a commit. */
export function boxOf(commit: Commit, member: MemberId): Bytes {
  const found = commit.boxes.find((one) => one.member === member);
  if (found === undefined) throw new RangeError("no box for this member");
  return found.box;
}

export type Begun = { readonly created: Commit; readonly invite: Invite };

/** A doctor begins a conversation, with a place for a patient who has no account yet. */
export async function begin(doctor: Person, ...others: readonly Person[]): Promise<Begun> {
  const invite = await newInvitation();
  const created = await createConversation({
    author: doctor.author,
    role: "owner",
    name: "Dr Martin",
    members: others.map(({ chain }) => ({ chain, role: "professional", history: "full" })),
    invites: [{ invite, role: "patient", expires: LATER, name: "Jean Dupont" }],
    subject: "Ordonnance",
    at: NOW,
  });
  return { created, invite };
}

/** What somebody sees who is given all records and the own newest box. */
export async function seenBy(
  opener: BoxOpener,
  commits: readonly Commit[],
  ...people: readonly { readonly chain: ChainState }[]
): Promise<Conversation> {
  const own = commits.flatMap((commit, i) => {
    const mine = commit.boxes.find(({ member }) => member === opener.member);
    return mine === undefined ? [] : [[i + 1, mine.box] as const];
  });
  const records = commits.map(({ record }) => record);
  return openConversation({ records, accounts: chainsOf(...people), opener, boxes: new Map(own) });
}

export function text(words: string): Sayable {
  return { type: "text", payload: { text: words, attachments: [], reply: null, replaces: null } };
}

export async function say(words: string, conversation: Conversation, author: Author): Promise<SealedMessage> {
  return sealMessage({ conversation, author, said: text(words), parents: [], at: NOW });
}

/** The code of the refusal, or `"accepted"`. */
export async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "accepted";
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
}

export function flipped(bytes: Bytes, bit: number): Bytes {
  const copy = bytes.slice();
  const at = bit >> 3;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
