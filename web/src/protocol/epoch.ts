/**
 * The keys of an epoch: boxes, the link back, the roster, and rule 7 of acceptance. Source: docs/spec/protocol.md 6.1, 6.4.
 */

import * as aead from "./aead.ts";
import { b64, concat, decodeCanonical, encodeCanonical, Reader, u16, u32, u8, unb64 } from "./codec.ts";
import { recordAt, type RecordChain } from "./conversation_chain.ts";
import { ascending, memberOf, type EpochRecord, type History, type Member } from "./epoch_record.ts";
import { demand, refuseAs } from "./errors.ts";
import { hpkeSeal, type EncKey } from "./hpke.ts";
import { kdf, kdfKeyAndNonce, label, sha256, type KeyAndNonce } from "./kdf.ts";
import { pad, unpad } from "./padding.ts";
import { systemRandom, type Random } from "./random.ts";
import * as shape from "./shape.ts";
import { AES_KEY, HASH, MAX_MEMBERS, type B64, type Bytes, type MemberId } from "./suite.ts";

/** Content key, and for who may read the time before, the link key. */
export type EpochKeys = { readonly epoch: number; readonly cek: Bytes; readonly lk: Bytes | null };

/** Keys of who may read the time before; only they can write the next epoch. */
export type FullKeys = EpochKeys & { readonly lk: Bytes };

/** Refuse (`not_permitted`) keys without the link key. */
export function fullKeys(keys: EpochKeys | undefined): FullKeys {
  demand(keys !== undefined && keys.lk !== null, "not_permitted", "without the history nobody writes the next epoch");
  return { ...keys, lk: keys.lk };
}

/** Opened epochs by number. */
export type Keyring = ReadonlyMap<number, EpochKeys>;

/** Whoever opens boxes: the user secrets of an account, or an invite. */
export interface BoxOpener {
  readonly member: MemberId;
  /** The key that a member of this generation is sealed to; 0 for an invite. */
  readonly key: (generation: number) => EncKey | undefined;
}

/** What a box is bound to beside its member; `null` in epoch 1. */
export type Place = {
  readonly conversation: B64 | null;
  readonly epoch: number;
  readonly previous: B64 | null;
  readonly commit: B64;
};

const BOX_KIND: { readonly [H in History]: number } = { none: 0, full: 1, partial: 2 };
const NO_HASH = new Uint8Array(HASH);
export const MAX_PARTIAL = 1000;

export function newEpochKeys(epoch: number, random: Random = systemRandom): FullKeys {
  return { epoch, cek: random(AES_KEY), lk: random(AES_KEY) };
}

export async function commitOf(cek: Bytes): Promise<B64> {
  return b64(await kdf("commit", cek, { length: HASH }));
}

export async function linkCommitOf(lk: Bytes): Promise<B64> {
  return b64(await kdf("link-commit", lk, { length: HASH }));
}

/** Box for a member; `earlier` are the epochs that a `partial` history gives. */
export async function sealBox(
  place: Place,
  to: { readonly id: MemberId; readonly enc: Bytes; readonly history: History },
  keys: FullKeys,
  earlier: readonly EpochKeys[] = [],
): Promise<Bytes> {
  const rest = { none: [], full: [keys.lk], partial: partialList(earlier) }[to.history];
  const info = boxInfo(place, to.id, await sha256(to.enc));
  return hpkeSeal(to.enc, info, concat(u8(BOX_KIND[to.history]), keys.cek, ...rest));
}

function partialList(earlier: readonly EpochKeys[]): readonly Bytes[] {
  const sorted = [...earlier].sort((a, b) => a.epoch - b.epoch).slice(-MAX_PARTIAL);
  return [u16(sorted.length), ...sorted.flatMap(({ epoch, cek }) => [u32(epoch), cek])];
}

/**
 * Open my box of a record and check it against the record's commits: the epoch's keys, and those that a partial history
 * lists (not yet checked). Refuses: `forged_box`, `wrong_commit`.
 */
export async function openBox(record: EpochRecord, opener: BoxOpener, box: Bytes): Promise<readonly EpochKeys[]> {
  const me = memberOf(record, opener.member);
  demand(me !== undefined, "forged_box", "a box for somebody who is no member");
  demand(b64(await sha256(box)) === me.box, "forged_box", "not the box of the record");
  const plain = await openPlain(record, me, opener, box);
  const [keys, ...earlier] = await refuseAs("forged_box", "form of the box", () => Promise.resolve(readBox(plain, record, me)));
  demand(keys !== undefined, "forged_box", "an empty box");
  await demandCommits(keys, record);
  return [keys, ...earlier];
}

async function openPlain(record: EpochRecord, me: Member, opener: BoxOpener, box: Bytes): Promise<Bytes> {
  const key = opener.key(me.generation);
  demand(key !== undefined, "forged_box", "sealed to a key that is not mine");
  const info = boxInfo(record, me.id, unb64(me.key, HASH));
  return refuseAs("forged_box", "the box does not open", () => key.open(info, box));
}

function readBox(plain: Bytes, record: EpochRecord, { history }: Member): readonly EpochKeys[] {
  const reader = new Reader(plain);
  demand(reader.unsigned(1) === BOX_KIND[history], "forged_box", "kind of the box");
  const { epoch } = record;
  const cek = reader.take(AES_KEY);
  const lk = history === "full" ? reader.take(AES_KEY) : null;
  const earlier = history === "partial" ? readPartial(reader, epoch) : [];
  reader.end();
  return [{ epoch, cek, lk }, ...earlier];
}

function readPartial(reader: Reader, before: number): readonly EpochKeys[] {
  const count = reader.unsigned(2);
  demand(count >= 1 && count <= MAX_PARTIAL, "forged_box", "number of earlier epochs");
  let last = 0;
  return Array.from({ length: count }, () => {
    const epoch = reader.unsigned(4);
    demand(epoch > last && epoch < before, "forged_box", "order of earlier epochs");
    last = epoch;
    return { epoch, cek: reader.take(AES_KEY), lk: null };
  });
}

/** `CEK_(e-1) || LK_(e-1)` sealed under `LK_e`: 80 bytes. */
export async function sealBacklink(
  conversation: B64,
  keys: FullKeys,
  previous: FullKeys,
): Promise<Bytes> {
  return aead.seal(await backlinkKey(conversation, keys.epoch, keys.lk), concat(previous.cek, previous.lk));
}

/** The keys of the epoch before, checked against its record. Refuses: `wrong_commit`. */
export async function openBacklink(chain: RecordChain, keys: FullKeys): Promise<EpochKeys> {
  const { backlink } = recordAt(chain, keys.epoch);
  const previous = recordAt(chain, keys.epoch - 1);
  const by = await backlinkKey(chain.id, keys.epoch, keys.lk);
  const both = await refuseAs("wrong_commit", "the backlink does not open", () => aead.open(by, unb64(backlink ?? "")));
  const found = { epoch: previous.epoch, cek: both.slice(0, AES_KEY), lk: both.slice(AES_KEY) };
  await demandCommits(found, previous);
  return found;
}

/**
 * Open every epoch that the opener may read: own boxes, then the way back. With a full history the newest box is enough.
 * `known` are keys opened before. Refuses: `forged_box`, `wrong_commit`.
 */
export async function openEpochs(
  chain: RecordChain,
  opener: BoxOpener,
  boxes: ReadonlyMap<number, Bytes>,
  known: Keyring = new Map(),
): Promise<Keyring> {
  const ring = new Map(known);
  for (const [epoch, box] of [...boxes].sort(([a], [b]) => b - a)) {
    // A partial history is spread over the boxes: each is opened, also when a later one listed its epoch.
    const partial = memberOf(recordAt(chain, epoch), opener.member)?.history === "partial";
    if (ring.has(epoch) && !partial) continue;
    const [own, ...earlier] = await openBox(recordAt(chain, epoch), opener, box);
    for (const keys of earlier) {
      await demandCommits(keys, recordAt(chain, keys.epoch));
      if (!ring.has(keys.epoch)) ring.set(keys.epoch, keys);
    }
    if (own !== undefined) await walkBack(chain, ring, own);
  }
  return ring;
}

async function walkBack(chain: RecordChain, ring: Map<number, EpochKeys>, from: EpochKeys): Promise<void> {
  ring.set(from.epoch, from);
  for (let keys = from; keys.epoch > 1 && keys.lk !== null; ) {
    const earlier = await openBacklink(chain, { ...keys, lk: keys.lk });
    if (ring.get(earlier.epoch)?.lk) return; // from here on back all is known
    ring.set(earlier.epoch, earlier);
    keys = earlier;
  }
}

async function demandCommits(keys: EpochKeys, record: EpochRecord): Promise<void> {
  demand((await commitOf(keys.cek)) === record.commit, "wrong_commit", "content key");
  if (keys.lk === null) return;
  demand((await linkCommitOf(keys.lk)) === record.link_commit, "wrong_commit", "link key");
}

function boxInfo(place: Place, member: MemberId, keyHash: Bytes): Bytes {
  const [conversation, previous] = [place.conversation, place.previous].map((id) => (id === null ? NO_HASH : unb64(id, HASH)));
  const about = [conversation ?? NO_HASH, u32(place.epoch), unb64(member, HASH), keyHash, previous ?? NO_HASH];
  return concat(label("epoch-box"), ...about, unb64(place.commit, HASH));
}

async function backlinkKey(conversation: B64, epoch: number, lk: Bytes): Promise<KeyAndNonce> {
  return kdfKeyAndNonce("backlink", lk, { context: concat(unb64(conversation, HASH), u32(epoch)) });
}

const rosterShape = shape.object({
  people: shape.list(shape.object({ member: shape.bytes(HASH), name: shape.text(120) }), MAX_MEMBERS),
  subject: shape.text(200),
});

/** What members are called, and the subject: readable by members only. */
export type Roster = ReturnType<typeof rosterShape>;

/** Sort and seal a roster. */
export async function sealRoster(keys: EpochKeys, commit: B64, roster: Roster): Promise<Bytes> {
  const people = [...roster.people].sort((a, b) => (a.member < b.member ? -1 : 1));
  const plain = pad(encodeCanonical(rosterShape({ people, subject: roster.subject })));
  return aead.seal(await rosterKey(keys), plain, unb64(commit, HASH));
}

/** Refuses: `open_failed`, `bad_format`. */
export async function openRoster(keys: EpochKeys, record: EpochRecord): Promise<Roster> {
  const plain = await aead.open(await rosterKey(keys), unb64(record.roster), unb64(record.commit, HASH));
  const roster = rosterShape(decodeCanonical(unpad(plain).content));
  demand(ascending(roster.people.map(({ member }) => member)), "bad_format", "people are sorted, each once");
  return roster;
}

async function rosterKey(keys: EpochKeys): Promise<KeyAndNonce> {
  return kdfKeyAndNonce("roster", keys.cek, { context: u32(keys.epoch) });
}
