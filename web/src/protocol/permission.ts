/**
 * Who may change what in a conversation. Source: docs/spec/protocol.md 6.3.
 */

import { delegateAt, type ChainState } from "./chain_state.ts";
import { b64, unb64 } from "./codec.ts";
import { memberOf, type Claim, type EpochRecord, type Member, type Reason } from "./epoch_record.ts";
import { demand } from "./errors.ts";
import { hash, sha256 } from "./kdf.ts";
import { demandStrongSignKey, verifyLabelled } from "./sign.ts";

/** Two neighbouring records, seen as a change of members by their author. */
type Change = {
  readonly record: EpochRecord;
  readonly author: ChainState;
  readonly before: readonly Member[];
  readonly after: readonly Member[];
  readonly added: readonly Member[];
  readonly removed: readonly Member[];
  /** The author as a member of *before* and of *after*. */
  readonly by: Member | undefined;
  readonly self: Member | undefined;
};

/** Refuse (`not_permitted`) a change that the table of 6.3 does not list. */
export async function demandPermitted(
  record: EpochRecord,
  previous: EpochRecord | null,
  author: ChainState,
): Promise<void> {
  const change = changeBetween(record, previous, author);
  need((record.reason === "create") === (previous === null), "create begins, and only begins");
  for (const member of change.after) demandKept(change, member);
  RULES[record.reason](change);
  if (record.claim !== null) await demandClaim(change, record.claim);
}

function changeBetween(record: EpochRecord, previous: EpochRecord | null, author: ChainState): Change {
  const before = previous?.members ?? [];
  const after = record.members;
  return {
    record,
    author,
    before,
    after,
    added: after.filter(({ id }) => before.every((old) => old.id !== id)),
    removed: before.filter(({ id }) => after.every((one) => one.id !== id)),
    by: before.find(({ id }) => id === author.account),
    self: memberOf(record, author.account),
  };
}

function demandKept({ before }: Change, now: Member): void {
  const old = before.find(({ id }) => id === now.id);
  if (old === undefined) return;
  need(old.role === now.role && old.kind === now.kind && old.history === now.history, "kept members keep their place");
  need(now.position >= old.position, "a position decreases");
  if (now.kind === "invite") need(now.key === old.key && now.expires === old.expires, "an invite stays as it is");
}

const RULES: { readonly [R in Reason]: (change: Change) => void } = {
  create({ after, self }) {
    need(self !== undefined && ["owner", "patient"].includes(self.role), "an owner or the patient begins");
    need(self.history === "full", "who begins has the history");
    const owners = after.filter(({ role }) => role === "owner");
    need(owners.length >= 1 && onePatient(after), "an owner, and at most one patient");
    need(noDelegate(after), "delegates come by their patient");
    if (self.role === "patient") need(owners.length === 1 && after.length === 2, "a patient writes to one owner");
  },
  add(change) {
    needOwner(change);
    need(change.added.length > 0 && change.removed.length === 0, "add adds");
    need(onePatient(change.after), "at most one patient");
    need(noDelegate(change.added), "delegates come by their patient");
  },
  remove(change) {
    needOwner(change);
    need(change.removed.length > 0 && change.added.length === 0, "remove removes");
    const stays = change.after.some(({ role, kind }) => role === "owner" && kind !== "invite");
    need(stays, "somebody stays responsible");
  },
  delegate({ by, self, added, removed, author }) {
    need(by?.role === "patient" && by.history === "full", "the patient's right");
    const changed = [...added, ...removed];
    need(changed.length > 0 && changed.every(({ role }) => role === "delegate"), "delegates come or go");
    need(self !== undefined, "the patient stays");
    need(added.every(({ id }) => delegateAt(author, id, self.position) !== undefined), "not an active delegate");
  },
  claim({ record, added, removed, author }) {
    const [taker, place] = [added[0], removed[0]];
    need(added.length === 1 && removed.length === 1, "one place changes hands");
    need(place?.kind === "invite" && place.id === record.claim?.invite, "the place of the invitation");
    need(taker?.kind === "user" && taker.id === author.account, "the author takes the place");
    need(taker.role === place.role && taker.history === place.history, "the place stays what it is");
  },
  reinvite(change) {
    needOwner(change);
    const [old, now] = [change.removed[0], change.added[0]];
    need(change.removed.length === 1 && change.added.length === 1, "one invitation for another");
    need(old?.kind === "invite" && now?.kind === "invite" && old.role === now.role, "one invitation for another");
  },
  rotate({ by, added, removed }) {
    need(by?.history === "full" && by.role !== "delegate" && by.role !== "service", "a full member rotates");
    need(added.length + removed.length === 0, "rotate changes no member");
  },
};

/** The claim is made with the invite's keys, for this account, at this point. Refuses: `not_permitted`, `bad_signature`. */
async function demandClaim({ record, removed, author }: Change, claim: Claim): Promise<void> {
  const place = removed.find(({ id }) => id === claim.invite);
  const [sign, enc] = [unb64(claim.sign), unb64(claim.enc)];
  need(place !== undefined && b64(await hash("invite", sign, enc)) === place.id, "keys of another invitation");
  need(b64(await sha256(enc)) === place.key, "keys of another invitation");
  demandStrongSignKey(sign);
  const { conversation, previous } = record;
  need(conversation !== null && previous !== null, "nothing to claim in epoch 1");
  const proof = claimProof({ account: author.account, conversation, previous, invite: claim.invite });
  const valid = await verifyLabelled(sign, unb64(claim.signature), "claim", ...proof);
  demand(valid, "bad_signature", "the claim");
}

/** What the invite's key signs in a claim. Source: docs/spec/protocol.md 9.3. */
export function claimProof(of: {
  readonly account: string;
  readonly conversation: string;
  readonly previous: string;
  readonly invite: string;
}): readonly Uint8Array[] {
  return [of.account, of.conversation, of.previous, of.invite].map((id) => unb64(id));
}

function needOwner({ by }: Change): void {
  need(by?.role === "owner" && by.history === "full", "an owner with the history");
}

function onePatient(members: readonly Member[]): boolean {
  return members.filter(({ role }) => role === "patient").length <= 1;
}

function noDelegate(members: readonly Member[]): boolean {
  return members.every(({ role }) => role !== "delegate");
}

function need(holds: boolean, why: string): asserts holds {
  demand(holds, "not_permitted", why);
}
