/**
 * A conversation as a member handles it: begin it, change its members, take an invited place, open it.
 * Source: docs/spec/protocol.md 6, 9.3.
 */

import type { ChainState } from "./chain_state.ts";
import { b64 } from "./codec.ts";
import { accountSeat, inviteSeat, writeCommit, type Author, type Commit, type Conversation, type Draft, type Seat } from "./commit.ts";
import { acceptRecord, acceptRecords, type Acceptance, type Accounts } from "./conversation_chain.ts";
import { openEpochs, openRoster, type BoxOpener, type EpochKeys, type Keyring, type Roster } from "./epoch.ts";
import { memberOf, type History, type Member, type Reason, type Role } from "./epoch_record.ts";
import { demand } from "./errors.ts";
import { inviterPrefix, type Invite, type InvitePublic } from "./invitation.ts";
import { claimProof } from "./permission.ts";
import { systemRandom, type Random } from "./random.ts";
import { signLabelled } from "./sign.ts";
import type { AccountId, B64, Bytes, MemberId, Time } from "./suite.ts";

export type { Author, Commit, Conversation } from "./commit.ts";

/** Somebody with an account who is to join. A `partial` history needs the epochs that it gives. */
export type NewMember = {
  readonly chain: ChainState;
  readonly role: Role;
  readonly history: History;
  readonly name?: string;
  readonly epochs?: readonly number[];
};

/** Somebody without an account who is to join. */
export type NewInvite = {
  readonly invite: InvitePublic & { readonly member: MemberId };
  readonly role: Role;
  readonly expires: Time;
  readonly name?: string;
};

/** Public keys of invites by member id: open ones get boxes too. */
export type Invites = ReadonlyMap<MemberId, InvitePublic>;

/** Begin a conversation; the author gets a place with `role` and the full history. */
export async function createConversation(
  request: {
    readonly author: Author;
    readonly role: Extract<Role, "owner" | "patient">;
    readonly name?: string;
    readonly members: readonly NewMember[];
    readonly invites: readonly NewInvite[];
    readonly subject: string;
    readonly at: Time;
  },
  random: Random = systemRandom,
): Promise<Commit> {
  const { author, role, name, members, invites, subject, at } = request;
  const self = { chain: author.chain, role, history: "full" as const, ...(name === undefined ? {} : { name }) };
  const added = [self, ...members];
  const seats = await newSeats(new Map(), added, invites);
  const roster = rosterWith({ people: [], subject }, seats, namesOf(added, invites));
  const accounts = new Map(members.map(({ chain }) => [chain.account, chain]));
  return writeCommit(null, { author, seats, reason: "create", roster, claim: null, at }, accounts, random);
}

/** What every change starts from. `accounts` holds the newest chain of each member, also of those who join. */
export type ChangeBy = {
  readonly conversation: Conversation;
  readonly author: Author;
  readonly accounts: Accounts;
  readonly invites: Invites;
  readonly at: Time;
};

/** An owner adds members and invites. */
export async function addMembers(
  request: ChangeBy & { readonly members: readonly NewMember[]; readonly newInvites?: readonly NewInvite[] },
  random: Random = systemRandom,
): Promise<Commit> {
  return change(request, { reason: "add", added: request.members, invited: request.newInvites ?? [] }, random);
}

/** An owner removes members; they read nothing that comes later. */
export async function removeMembers(
  request: ChangeBy & { readonly members: readonly MemberId[] },
  random: Random = systemRandom,
): Promise<Commit> {
  return change(request, { reason: "remove", removed: request.members }, random);
}

/** The patient adds or removes own delegates. */
export async function changeDelegates(
  request: ChangeBy & { readonly added: readonly Omit<NewMember, "role">[]; readonly removed: readonly AccountId[] },
  random: Random = systemRandom,
): Promise<Commit> {
  const added = request.added.map((one) => ({ ...one, role: "delegate" as const }));
  return change(request, { reason: "delegate", added, removed: request.removed }, random);
}

/** An owner replaces an invitation (lost, expired) by another one. */
export async function replaceInvite(
  request: ChangeBy & { readonly old: MemberId; readonly now: NewInvite },
  random: Random = systemRandom,
): Promise<Commit> {
  return change(request, { reason: "reinvite", removed: [request.old], invited: [request.now] }, random);
}

/** New keys, same members: after a revocation, and from time to time. */
export async function rotateEpoch(request: ChangeBy, random: Random = systemRandom): Promise<Commit> {
  return change(request, { reason: "rotate" }, random);
}

/** The person takes the invited place with an account of their own: nobody else has to be online. */
export async function claimInvitation(
  request: ChangeBy & { readonly invite: Invite; readonly name?: string },
  random: Random = systemRandom,
): Promise<Commit> {
  const { conversation, author, invite, name } = request;
  const place = memberOf(conversation.chain.head, invite.member);
  demand(place?.kind === "invite", "not_permitted", "no such open place");
  const called = name ?? conversation.roster?.people.find(({ member }) => member === invite.member)?.name;
  const proof = claimProof({
    account: author.chain.account,
    conversation: conversation.id,
    previous: conversation.chain.head.hash,
    invite: invite.member,
  });
  const signature = b64(await signLabelled(invite.signKey, "claim", ...proof));
  const claim = { enc: b64(invite.enc), invite: invite.member, sign: b64(invite.sign), signature };
  const taker = { chain: author.chain, role: place.role, history: place.history, ...(called === undefined ? {} : { name: called }) };
  return change(request, { reason: "claim", removed: [invite.member], added: [taker], claim }, random);
}

/**
 * Open a conversation from all its records. `boxes` are the opener's own, by epoch; with a full history the newest is
 * enough. Refuses as `acceptRecord`, and with `forged_box` and `wrong_commit`.
 */
export async function openConversation(request: {
  readonly records: readonly Bytes[];
  readonly accounts: Accounts;
  readonly opener: BoxOpener;
  readonly boxes: ReadonlyMap<number, Bytes>;
}): Promise<Conversation> {
  const { records, accounts, opener, boxes } = request;
  const chain = await acceptRecords(records, accounts);
  const isMember = memberOf(chain.head, opener.member) !== undefined;
  demand(!isMember || boxes.has(chain.head.epoch), "forged_box", "my newest box is missing");
  const keys = await openEpochs(chain, opener, boxes);
  return { id: chain.id, chain, keys, roster: await rosterOf(chain.head.epoch, keys, chain.records) };
}

/**
 * Accept the next record of a conversation, with my box (`null` when I am no member any more). The server has accepted it
 * before, so a device revoked since then still counts (`settled`).
 */
export async function extendConversation(
  request: {
    readonly conversation: Conversation;
    readonly record: Bytes;
    readonly box: Bytes | null;
    readonly accounts: Accounts;
    readonly opener: BoxOpener;
  } & Acceptance,
): Promise<Conversation> {
  const { conversation, record, box, accounts, opener, settled = true } = request;
  const chain = await acceptRecord(conversation.chain, record, accounts, { settled });
  const isMember = memberOf(chain.head, opener.member) !== undefined;
  demand(!isMember || box !== null, "forged_box", "my box is missing");
  const boxes = new Map(isMember && box !== null ? [[chain.head.epoch, box]] : []);
  const keys = await openEpochs(chain, opener, boxes, conversation.keys);
  return { id: chain.id, chain, keys, roster: await rosterOf(chain.head.epoch, keys, chain.records) };
}

/** Who opened an invitation checks that it came from who is in the conversation (`wrong_inviter`, an alarm). */
export function checkInviter(conversation: Conversation, prefix: B64): void {
  const { head, records } = conversation.chain;
  const owners = head.members.filter(({ role, kind }) => role === "owner" && kind !== "invite").map(({ id }) => id);
  const candidates = [...owners, ...records.slice(0, 1).map(({ author }) => author)];
  demand(candidates.some((id) => inviterPrefix(id) === prefix), "wrong_inviter", "nobody here made this invitation");
}

/** The members of the newest epoch. */
export function membersOf(conversation: Conversation): readonly Member[] {
  return conversation.chain.head.members;
}

type MemberChange = {
  readonly reason: Reason;
  readonly added?: readonly NewMember[];
  readonly invited?: readonly NewInvite[];
  readonly removed?: readonly MemberId[];
  readonly claim?: Draft["claim"];
};

async function change(by: ChangeBy, what: MemberChange, random: Random): Promise<Commit> {
  const { reason, added = [], invited = [], removed = [], claim = null } = what;
  const { conversation, author, at } = by;
  demand(conversation.roster !== null, "not_permitted", "who cannot read the names cannot change members");
  const accounts = new Map(by.accounts).set(author.chain.account, author.chain);
  for (const { chain } of added) accounts.set(chain.account, chain);
  const staying = membersOf(conversation).filter(({ id }) => !removed.includes(id));
  const kept = await Promise.all(staying.map((member) => keptSeat(member, { ...by, accounts })));
  const seats = [...kept, ...(await newSeats(conversation.keys, added, invited))];
  const roster = rosterWith(conversation.roster, seats, namesOf(added, invited));
  return writeCommit(conversation, { author, seats, reason, roster, claim, at }, accounts, random);
}

async function keptSeat(member: Member, { conversation, accounts, invites }: ChangeBy): Promise<Seat> {
  const { id, role, history, expires } = member;
  if (expires !== null) {
    const invite = invites.get(id);
    demand(invite !== undefined, "wrong_member_key", "the keys of an invite are not at hand");
    return inviteSeat({ ...invite, member: id }, { role, expires });
  }
  const chain = accounts.get(id);
  demand(chain !== undefined, "wrong_member_key", "the chain of a member is not at hand");
  return accountSeat(chain, { role, history, earlier: history === "partial" ? sinceJoining(conversation, id) : [] });
}

/** A member with a partial history keeps what it could read since it joined; what came before lies in its first box. */
function sinceJoining({ chain, keys }: Conversation, id: MemberId): readonly EpochKeys[] {
  return chain.records
    .filter((record) => memberOf(record, id) !== undefined)
    .flatMap(({ epoch }) => keys.get(epoch) ?? []);
}

async function newSeats(
  keys: Keyring,
  members: readonly NewMember[],
  invites: readonly NewInvite[],
): Promise<readonly Seat[]> {
  const accounts = members.map(({ chain, role, history, epochs = [] }) =>
    accountSeat(chain, { role, history, earlier: epochs.flatMap((epoch) => keys.get(epoch) ?? []) }),
  );
  return Promise.all([...accounts, ...invites.map(({ invite, ...as }) => inviteSeat(invite, as))]);
}

function namesOf(members: readonly NewMember[], invites: readonly NewInvite[]): ReadonlyMap<MemberId, string> {
  const named = [
    ...members.map(({ chain, name }) => [chain.account, name] as const),
    ...invites.map(({ invite, name }) => [invite.member, name] as const),
  ];
  return new Map(named.flatMap(([id, name]) => (name === undefined ? [] : [[id, name] as const])));
}

function rosterWith(before: Roster, seats: readonly Seat[], names: ReadonlyMap<MemberId, string>): Roster {
  const known = new Map([...before.people.map(({ member, name }) => [member, name] as const), ...names]);
  const people = seats.flatMap(({ place: { id } }) => {
    const name = known.get(id);
    return name === undefined ? [] : [{ member: id, name }];
  });
  return { people, subject: before.subject };
}

async function rosterOf(epoch: number, ring: Keyring, records: Conversation["chain"]["records"]): Promise<Roster | null> {
  const [keys, record] = [ring.get(epoch), records[epoch - 1]];
  return keys === undefined || record === undefined ? null : openRoster(keys, record);
}
