/**
 * The signed history of who is in a conversation: rules 1 to 6. Source: docs/spec/protocol.md 6.4.
 *
 * Rule 7 needs keys: `epoch.ts`.
 */

import { holderAt, userKeyAt, userKey, type ChainState } from "./chain_state.ts";
import { b64, unb64 } from "./codec.ts";
import { memberOf, readRecord, type EpochRecord, type Member } from "./epoch_record.ts";
import { demand } from "./errors.ts";
import { sha256 } from "./kdf.ts";
import { signatureOf } from "./link.ts";
import { demandPermitted } from "./permission.ts";
import { verifyLabelled } from "./sign.ts";
import type { AccountId, Bytes, ConversationId } from "./suite.ts";

/** The newest accepted chain of each member (and of authors) that is not an invite. */
export type Accounts = ReadonlyMap<AccountId, ChainState>;

/** Accepted records, epoch e at index e - 1. Immutable. */
export type RecordChain = { readonly id: ConversationId; readonly head: EpochRecord; readonly records: readonly EpochRecord[] };

export type Acceptance = {
  /**
   * The record was accepted before (it is history that is read again), so a device revoked since then still counts.
   * A record that is news leaves it out.
   */
  readonly settled?: boolean;
};

/** Accept all records from epoch 1. */
export async function acceptRecords(
  wires: readonly Bytes[],
  accounts: Accounts,
  { settled = true }: Acceptance = {},
): Promise<RecordChain> {
  const [first, ...rest] = wires;
  demand(first !== undefined, "bad_format", "a conversation without a record");
  let chain = await acceptRecord(null, first, accounts, { settled });
  for (const wire of rest) chain = await acceptRecord(chain, wire, accounts, { settled });
  return chain;
}

/** Accept the next record (the first one on `null`). Refusals in the order of docs/spec/protocol.md 6.4. */
export async function acceptRecord(
  chain: RecordChain | null,
  wire: Bytes,
  accounts: Accounts,
  { settled = false }: Acceptance = {},
): Promise<RecordChain> {
  const record = await readRecord(wire);
  demandNext(chain, record);
  const { author, signKey } = authorOf(record, accounts, settled);
  for (const member of record.members) await demandPinned(member, accounts);
  const valid = await verifyLabelled(signKey, signatureOf(record.signed, 0), "epoch", record.signed.body);
  demand(valid, "bad_signature", "signature of the record");
  await demandPermitted(record, chain?.head ?? null, author);
  if (chain === null) return { id: record.hash, head: record, records: [record] };
  return { id: chain.id, head: record, records: [...chain.records, record] };
}

/** The longer of a chain known before and one served later. Refuses: `fork` (another history), `rollback` (a shorter one). */
export function reconcile(known: RecordChain, served: RecordChain): RecordChain {
  for (const [i, record] of known.records.entries()) {
    const other = served.records[i];
    demand(other === undefined || other.hash === record.hash, "fork", "another record of a known epoch");
  }
  demand(served.records.length >= known.records.length, "rollback", "records that were known are missing");
  return served;
}

/** The record of an epoch; refuses with `unknown_epoch`. */
export function recordAt(chain: RecordChain, epoch: number): EpochRecord {
  const record = chain.records[epoch - 1];
  demand(record !== undefined, "unknown_epoch", "no record of this epoch");
  return record;
}

/** Whether somebody who was in `epoch` had left by `until`. */
export function leftBetween(chain: RecordChain, epoch: number, until: number): boolean {
  const later = chain.records.slice(epoch, until);
  return later.some((record, i) => {
    const before = recordAt(chain, epoch + i);
    return before.members.some(({ id }) => memberOf(record, id) === undefined);
  });
}

function demandNext(chain: RecordChain | null, record: EpochRecord): void {
  const { records, head, id } = chain ?? { records: [], head: null, id: null };
  const known = records[record.epoch - 1];
  demand(known === undefined || known.hash === record.hash, "fork", "another record of a known epoch");
  demand(record.epoch === records.length + 1, "not_next", "number of the epoch");
  demand(record.previous === (head?.hash ?? null) && record.conversation === id, "not_next", "previous record");
}

function authorOf(record: EpochRecord, accounts: Accounts, settled: boolean): { author: ChainState; signKey: Bytes } {
  const author = accounts.get(record.author);
  const pinned = memberOf(record, record.author);
  demand(author !== undefined && pinned !== undefined, "bad_device", "the author is no known member");
  const device = holderAt(author, record.device, pinned.position);
  demand(device?.kind === "device", "bad_device", "not a device of the author there");
  demand(settled || !device.revoked, "bad_device", "the device was revoked");
  return { author, signKey: unb64(device.sign) };
}

/** Rule 4: a member is pinned as its own chain says. An invite has no chain; its form was checked on reading. */
async function demandPinned(member: Member, accounts: Accounts): Promise<void> {
  if (member.kind === "invite") return;
  const chain = accounts.get(member.id);
  demand(chain !== undefined && chain.kind === member.kind, "wrong_member_key", "no such account");
  demand(chain.heads[member.position] === member.head, "wrong_member_key", "head of the member");
  const key = userKey(chain, member.generation);
  const known = chain.userKeys.some((one) => one.generation === member.generation && one.addedAt <= member.position);
  demand(key !== undefined && known, "wrong_member_key", "generation of the member");
  demand(b64(await sha256(unb64(key))) === member.key, "wrong_member_key", "key of the member");
  const newest = userKeyAt(chain, member.position);
  demand(newest?.generation === member.generation, "stale_key", "a newer generation exists there");
}
