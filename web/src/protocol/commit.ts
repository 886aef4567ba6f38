/**
 * Writing the next epoch of a conversation: boxes, backlink, roster, record. Source: docs/spec/protocol.md 6.1, 6.2.
 */

import { newestUserKey, type ChainState } from "./chain_state.ts";
import { b64, unb64 } from "./codec.ts";
import { acceptRecord, type Accounts, type RecordChain } from "./conversation_chain.ts";
import {
  commitOf,
  fullKeys,
  linkCommitOf,
  newEpochKeys,
  sealBacklink,
  sealBox,
  sealRoster,
  type EpochKeys,
  type FullKeys,
  type Keyring,
  type Place,
  type Roster,
} from "./epoch.ts";
import { writeRecord, type Claim, type History, type Member, type Reason, type Role } from "./epoch_record.ts";
import type { Holder } from "./holder.ts";
import type { InvitePublic } from "./invitation.ts";
import { sha256 } from "./kdf.ts";
import type { Random } from "./random.ts";
import type { B64, Bytes, MemberId, Time } from "./suite.ts";

/** Who signs: an account, and the device of it that is at hand. */
export type Author = { readonly chain: ChainState; readonly device: Holder };

/** A conversation as one member has it: what was accepted, and the keys that opened. Immutable. */
export type Conversation = {
  readonly id: B64;
  readonly chain: RecordChain;
  readonly keys: Keyring;
  /** Names and subject of the newest epoch; `null` for who cannot open it. */
  readonly roster: Roster | null;
};

/** What to send to the server, and the conversation once it is accepted there. */
export type Commit = {
  readonly record: Bytes;
  readonly boxes: readonly { readonly member: MemberId; readonly box: Bytes }[];
  readonly conversation: Conversation;
};

/** A place in the next epoch, and the key that its box is sealed to. */
export type Seat = { readonly place: Omit<Member, "box">; readonly enc: Bytes; readonly earlier: readonly EpochKeys[] };

/** A place for an account, pinned at the newest known position of its chain. */
export async function accountSeat(
  chain: ChainState,
  as: { readonly role: Role; readonly history: History; readonly earlier?: readonly EpochKeys[] },
): Promise<Seat> {
  const newest = newestUserKey(chain);
  const enc = unb64(newest.enc);
  const place = {
    expires: null,
    generation: newest.generation,
    head: chain.head,
    history: as.history,
    id: chain.account,
    key: b64(await sha256(enc)),
    kind: chain.kind,
    position: chain.position,
    role: as.role,
  } as const;
  return { place, enc, earlier: as.earlier ?? [] };
}

/** A place for whoever holds an invitation. */
export async function inviteSeat(
  invite: InvitePublic & { readonly member: MemberId },
  as: { readonly role: Role; readonly expires: Time },
): Promise<Seat> {
  const place = {
    expires: as.expires,
    generation: 0,
    head: invite.member,
    history: "full",
    id: invite.member,
    key: b64(await sha256(invite.enc)),
    kind: "invite",
    position: 0,
    role: as.role,
  } as const;
  return { place, enc: invite.enc, earlier: [] };
}

export type Draft = {
  readonly author: Author;
  readonly seats: readonly Seat[];
  readonly reason: Reason;
  readonly roster: Roster;
  readonly claim: Claim | null;
  readonly at: Time;
};

/**
 * Write the next epoch (the first one on `null`) and accept it oneself before anybody else sees it.
 * Refuses as `acceptRecord` does, and with `not_permitted` when the link key is not at hand.
 */
export async function writeCommit(
  conversation: Conversation | null,
  draft: Draft,
  accounts: Accounts,
  random: Random,
): Promise<Commit> {
  const place = await nextPlace(conversation, random);
  const { keys, commit } = place;
  const seats = [...draft.seats].sort((a, b) => (a.place.id < b.place.id ? -1 : 1));
  const filled = await Promise.all(seats.map((seat) => fill(seat, place)));
  const { author } = draft;
  const record = await writeRecord(
    {
      conversation: place.conversation,
      epoch: place.epoch,
      previous: place.previous,
      commit,
      members: filled.map(({ member }) => member),
      link_commit: await linkCommitOf(keys.lk),
      backlink: conversation === null ? null : b64(await backlinkFor(conversation, keys)),
      roster: b64(await sealRoster(keys, commit, draft.roster)),
      reason: draft.reason,
      author: author.chain.account,
      device: author.device.id,
      claim: draft.claim,
      at: draft.at,
    },
    author.device,
  );
  const known = new Map(accounts).set(author.chain.account, author.chain);
  const chain = await acceptRecord(conversation?.chain ?? null, record, known);
  const ring = new Map(conversation?.keys).set(keys.epoch, keys);
  const boxes = filled.map(({ member, box }) => ({ member: member.id, box }));
  return { record, boxes, conversation: { id: chain.id, chain, keys: ring, roster: draft.roster } };
}

type NextPlace = Place & { readonly keys: FullKeys };

async function nextPlace(conversation: Conversation | null, random: Random): Promise<NextPlace> {
  const [id, head] = conversation === null ? [null, null] : [conversation.id, conversation.chain.head];
  const keys = newEpochKeys(head === null ? 1 : head.epoch + 1, random);
  const commit = await commitOf(keys.cek);
  return { conversation: id, epoch: keys.epoch, previous: head?.hash ?? null, commit, keys };
}

async function fill({ place, enc, earlier }: Seat, at: NextPlace): Promise<{ member: Member; box: Bytes }> {
  const box = await sealBox(at, { id: place.id, enc, history: place.history }, at.keys, earlier);
  return { member: { ...place, box: b64(await sha256(box)) }, box };
}

async function backlinkFor(conversation: Conversation, keys: FullKeys): Promise<Bytes> {
  return sealBacklink(conversation.id, keys, fullKeys(conversation.keys.get(keys.epoch - 1)));
}
