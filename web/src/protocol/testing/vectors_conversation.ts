import { acceptChain, type ChainState } from "../account_chain.ts";
import { b64, unb64, writeSigned, type Json } from "../codec.ts";
import { checkInviter } from "../conversation.ts";
import { acceptRecord, acceptRecords, reconcile, type RecordChain } from "../conversation_chain.ts";
import {
  commitOf,
  fullKeys,
  linkCommitOf,
  openEpochs,
  openRoster,
  sealBacklink,
  sealRoster,
  type BoxOpener,
  type EpochKeys,
  type FullKeys,
} from "../epoch.ts";
import { memberOf, readRecord } from "../epoch_record.ts";
import { holderFromSeed } from "../holder.ts";
import { demandOpen, invitationLink, inviteFromSecret, readInvitationLink } from "../invitation.ts";
import { claimProof } from "../permission.ts";
import { rotationDue } from "../rotation.ts";
import { signLabelled } from "../sign.ts";
import type { Bytes } from "../suite.ts";
import { userSecret } from "../user_secret.ts";
import { secretsOf } from "../account.ts";
import type { Op, Values } from "./vector.ts";

type Ops = { readonly [op: string]: Op };
type Named = { readonly [name: string]: Json };

/** The named accounts of the file. */
export async function accountsOf(v: Values): Promise<ReadonlyMap<string, ChainState>> {
  const shared = v.shared("accounts") as { readonly [name: string]: readonly string[] };
  const chains = await Promise.all(v.list("accounts").map((name) => acceptChain((shared[name as string] ?? []).map((one) => unb64(one)))));
  return new Map(chains.map((chain) => [chain.account, chain]));
}

/** The named records of the file. */
export function recordsOf(v: Values, key = "records"): readonly Bytes[] {
  return v.list(key).map((name) => recordNamed(v, name as string));
}

export function recordNamed(v: Values, name: string): Bytes {
  return unb64((v.shared("records") as Named)[name] as string);
}

export function keysOf(v: Values): EpochKeys {
  return { epoch: v.number("epoch"), cek: v.bytes("cek"), lk: v.has("lk") ? v.bytes("lk") : null };
}

function fullKeysOf(v: Values): FullKeys {
  return fullKeys(keysOf(v));
}

async function chainOf(v: Values): Promise<RecordChain | null> {
  const records = recordsOf(v);
  return records.length === 0 ? null : acceptRecords(records, await accountsOf(v));
}

async function openerOf(v: Values): Promise<BoxOpener> {
  if (v.has("invitation")) return inviteFromSecret(v.bytes("invitation"));
  const secrets = v.entries("uks").map(([generation, uks]) => userSecret(Number(generation), unb64(uks as string)));
  return secretsOf(v.text("member"), await Promise.all(secrets));
}

const accept: Op = async (v) => {
  const settled = v.raw("settled") === true;
  const { id, head } = await acceptRecord(await chainOf(v), v.bytes("record"), await accountsOf(v), { settled });
  const members = head.members.map(({ id: member, kind, role, history, position, generation, expires }) => ({
    id: member,
    kind,
    role,
    history,
    position,
    generation,
    expires,
  }));
  return { conversation: id, epoch: head.epoch, head: head.hash, members };
};

const conversation_chain: Ops = {
  accept,
  rotation_due: async (v) => {
    const accounts = await accountsOf(v);
    const chain = await acceptRecords(recordsOf(v), accounts);
    return { due: rotationDue(chain, accounts, { me: v.text("member"), at: v.number("at"), events: v.number("events") }) };
  },
  reconcile: async (v) => {
    const accounts = await accountsOf(v);
    const [known, served] = await Promise.all(["known", "served"].map((which) => acceptRecords(recordsOf(v, which), accounts)));
    if (known === undefined || served === undefined) throw new TypeError("two chains");
    return { epoch: reconcile(known, served).head.epoch };
  },
  sign: async (v) => {
    const device = await holderFromSeed(v.bytes("seed"));
    const body = v.bytes("body");
    const wire = writeSigned(body, [await signLabelled(device, "epoch", body)]);
    return { wire: b64(wire), hash: (await readRecord(wire)).hash };
  },
};

const backlinks: Ops = {
  open_epochs: async (v) => {
    const chain = await chainOf(v);
    if (chain === null) throw new TypeError("no records");
    const boxes = new Map(v.entries("boxes").map(([epoch, box]) => [Number(epoch), unb64(box as string)]));
    const ring = await openEpochs(chain, await openerOf(v), boxes);
    const epochs = [...ring.values()].sort((a, b) => a.epoch - b.epoch);
    return { epochs: epochs.map(({ epoch, cek, lk }) => ({ epoch, cek: b64(cek), lk: lk === null ? null : b64(lk) })) };
  },
  commits: async (v) => {
    const { cek, lk } = fullKeysOf(v.values("keys"));
    return { commit: await commitOf(cek), link_commit: await linkCommitOf(lk) };
  },
  seal_backlink: async (v) => {
    const [keys, previous] = [fullKeysOf(v.values("keys")), fullKeysOf(v.values("previous"))];
    return { backlink: b64(await sealBacklink(v.text("conversation"), keys, previous)) };
  },
  seal_roster: async (v) => {
    const keys = keysOf(v.values("keys"));
    const people = v.valuesList("people").map((one) => ({ member: one.text("member"), name: one.text("name") }));
    return { roster: b64(await sealRoster(keys, await commitOf(keys.cek), { people, subject: v.text("subject") })) };
  },
  open_roster: async (v) => {
    const record = await readRecord(recordNamed(v, v.text("record")));
    const roster = v.has("roster") ? v.text("roster") : record.roster;
    return openRoster(keysOf(v.values("keys")), { ...record, roster });
  },
};

const invitations: Ops = {
  derive: async (v) => {
    const { id, sign, enc, member } = await inviteFromSecret(v.bytes("secret"));
    return { id, sign: b64(sign), enc: b64(enc), member };
  },
  link: (v) => ({ link: invitationLink(v.text("url"), { secret: v.bytes("secret"), inviter: v.text("inviter") }) }),
  read_link: (v) => {
    const { secret, inviterPrefix, publicUrl } = readInvitationLink(v.text("link"));
    return { secret: b64(secret), inviter: inviterPrefix, url: publicUrl };
  },
  claim: async (v) => {
    const invite = await inviteFromSecret(v.bytes("secret"));
    const at = { account: v.text("account"), conversation: v.text("conversation"), previous: v.text("previous") };
    const proof = claimProof({ ...at, invite: invite.member });
    return { signature: b64(await signLabelled(invite.signKey, "claim", ...proof)) };
  },
  accept,
  require_inviter: async (v) => {
    const chain = await chainOf(v);
    if (chain === null) throw new TypeError("no records");
    checkInviter({ id: chain.id, chain, keys: new Map(), roster: null }, v.text("inviter"));
    return {};
  },
  require_open: async (v) => {
    const place = memberOf(await readRecord(recordsOf(v).at(-1) ?? new Uint8Array()), v.text("member"));
    demandOpen(place ?? { expires: 0 }, v.number("at"));
    return {};
  },
};

export const conversationOps = { conversation_chain, backlinks, invitations };
