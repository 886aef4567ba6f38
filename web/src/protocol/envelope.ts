/**
 * Envelopes: a signed content, sealed under the content key of an epoch. Source: docs/spec/protocol.md 7.
 */

import * as aead from "./aead.ts";
import { holderAt } from "./chain_state.ts";
import { b64, concat, equal, Reader, u32, u8, unb64 } from "./codec.ts";
import type { Author, Conversation } from "./commit.ts";
import { kindOf, readContent, writeContent, type Content, type Kind, type Sayable } from "./content.ts";
import { leftBetween, recordAt, type Accounts } from "./conversation_chain.ts";
import { memberOf, type EpochRecord, type Member } from "./epoch_record.ts";
import type { EpochKeys } from "./epoch.ts";
import { demand } from "./errors.ts";
import { hash, kdfKeyAndNonce, type KeyAndNonce } from "./kdf.ts";
import { pad, unpad } from "./padding.ts";
import { systemRandom, type Random } from "./random.ts";
import { signLabelled, verifyLabelled, type Signer } from "./sign.ts";
import { AES_TAG, HASH, MAX_ENVELOPE, SIGNATURE, SUITE, VERSION, type Bytes, type MessageId, type Time } from "./suite.ts";

export type { Content, Kind, Payloads, Reply, Said, Sayable } from "./content.ts";

const PREFIX = 16;
const SALT = 32;
const HEADER = 54;
/** What the key is bound to: the header without its salt. */
const KEYED = HEADER - SALT;

/** A message that was accepted. */
export type Message = {
  readonly id: MessageId;
  readonly epoch: number;
  /** The author as a member of that epoch: id, role, kind. */
  readonly author: Member;
  readonly content: Content;
  /** `old_epoch`: sealed under keys that somebody has who had left by then. Show it with a warning. */
  readonly warnings: readonly "old_epoch"[];
};

export type SealedMessage = { readonly id: MessageId; readonly envelope: Bytes; readonly kind: Kind };

/**
 * Sign with the author's device and seal under the newest epoch. `parents` are the newest messages seen that no other
 * names (`newestMessages`), at most 8. Refuses what a reader would refuse, and `unknown_epoch` without its keys.
 */
export async function sealMessage(
  request: {
    readonly conversation: Conversation;
    readonly author: Author;
    readonly said: Sayable;
    readonly parents: readonly MessageId[];
    readonly at: Time;
  },
  random: Random = systemRandom,
): Promise<SealedMessage> {
  const { conversation, author, said, parents, at } = request;
  const record = conversation.chain.head;
  const { account, position, head } = author.chain;
  const content = writeContent({ author: account, device: author.device.id, position, head, at, parents, said });
  const member = authorOf(readContent(content), record, new Map([[account, author.chain]]));
  demandRole(said.type, member.member);
  const keys = keysOf(conversation, record.epoch);
  const envelope = await sealContent(content, { record, keys, device: author.device, salt: random(SALT) });
  return { id: await messageId(envelope), envelope, kind: kindOf(said) };
}

/** Sign content bytes and seal them under an epoch. `salt` is 32 random bytes, new for each message. */
export async function sealContent(
  content: Bytes,
  by: { readonly record: EpochRecord; readonly keys: EpochKeys; readonly device: Signer; readonly salt: Bytes },
): Promise<Bytes> {
  const { record, keys, device, salt } = by;
  const conversation = unb64(record.conversation ?? record.hash, HASH);
  const header = concat(u8(VERSION), u8(SUITE), conversation.slice(0, PREFIX), u32(record.epoch), salt);
  const signature = await signLabelled(device, "message", header, unb64(record.hash), content);
  const sealed = await aead.seal(await messageKey(keys, header), pad(content, signature), header);
  const envelope = concat(header, sealed);
  demand(envelope.length <= MAX_ENVELOPE, "bad_format", "envelope too long");
  return envelope;
}

/**
 * Open an envelope and check it, by the order of docs/spec/protocol.md 7.4. `kind` is the clear kind beside it; `newest`
 * the newest epoch at its place in the log, when the caller wants to know about `old_epoch`.
 */
export async function openMessage(request: {
  readonly conversation: Conversation;
  readonly accounts: Accounts;
  readonly envelope: Bytes;
  readonly kind: Kind;
  readonly newest?: number;
}): Promise<Message> {
  const { conversation, accounts, envelope, kind, newest } = request;
  const { header, epoch } = readHeader(envelope, conversation);
  const keys = keysOf(conversation, epoch);
  const record = recordAt(conversation.chain, epoch);
  const inner = await aead.open(await messageKey(keys, header), envelope.slice(HEADER), header);
  const { content: bytes, trailer: signature } = unpad(inner, SIGNATURE);
  const content = readContent(bytes);
  const { member, signKey } = authorOf(content, record, accounts);
  const valid = await verifyLabelled(signKey, signature, "message", header, unb64(record.hash), bytes);
  demand(valid, "bad_signature", "signature of the message");
  demandRole(content.said.type, member);
  demand(kindOf(content.said) === kind, "wrong_kind", "the clear kind is another");
  const old = newest !== undefined && leftBetween(conversation.chain, epoch, newest);
  return { id: await messageId(envelope), epoch, author: member, content, warnings: old ? ["old_epoch"] : [] };
}

/** `H("message-id", wire)`: also what the server calls the envelope. */
export async function messageId(envelope: Bytes): Promise<MessageId> {
  return b64(await hash("message-id", envelope));
}

/** Ids of the messages that no other one names, at most 8: the parents of the next message. `seen` in the order of the log. */
export function newestMessages(seen: readonly Message[]): readonly MessageId[] {
  const named = new Set(seen.flatMap(({ content }) => content.parents));
  return seen.map(({ id }) => id).filter((id) => !named.has(id)).slice(-8);
}

/**
 * Parents that are named but did not arrive: still there when all is fetched, they are the alarm `withheld`. What came
 * before a member without history joined, it does not get: pass those ids as `known`.
 */
export function withheldParents(seen: readonly Message[], known: Iterable<MessageId> = []): ReadonlySet<MessageId> {
  const here = new Set([...seen.map(({ id }) => id), ...known]);
  return new Set(seen.flatMap(({ content }) => content.parents).filter((id) => !here.has(id)));
}

function readHeader(envelope: Bytes, conversation: Conversation): { readonly header: Bytes; readonly epoch: number } {
  const fits = envelope.length >= HEADER + AES_TAG && envelope.length <= MAX_ENVELOPE;
  demand(fits, "bad_format", "length of the envelope");
  const header = envelope.slice(0, HEADER);
  const reader = new Reader(header);
  demand(reader.unsigned(1) === VERSION && reader.unsigned(1) === SUITE, "bad_format", "version or suite");
  const prefix = unb64(conversation.id, HASH).slice(0, PREFIX);
  demand(equal(reader.take(PREFIX), prefix), "bad_format", "another conversation");
  return { header, epoch: reader.unsigned(4) };
}

function keysOf(conversation: Conversation, epoch: number): EpochKeys {
  const keys = conversation.keys.get(epoch);
  demand(keys !== undefined, "unknown_epoch", "no key for this epoch");
  return keys;
}

async function messageKey(keys: EpochKeys, header: Bytes): Promise<KeyAndNonce> {
  return kdfKeyAndNonce("message", keys.cek, { context: header.slice(0, KEYED), salt: header.slice(KEYED) });
}

type AuthorAt = { readonly member: Member; readonly signKey: Bytes };

function authorOf(content: Content, record: EpochRecord, accounts: Accounts): AuthorAt {
  const member = memberOf(record, content.author);
  const chain = accounts.get(content.author);
  demand(member !== undefined && chain !== undefined, "bad_device", "the author is no known member");
  const { device: id, position } = content;
  demand(position >= member.position && position <= chain.position, "bad_device", "position of the author");
  const device = holderAt(chain, id, position);
  demand(device?.kind === "device", "bad_device", "not a device of the author there");
  demand(chain.heads[position] === content.head, "fork", "another chain of the author");
  return { member, signKey: unb64(device.sign) };
}

function demandRole(type: string, { role }: Member): void {
  const mayEnd = role === "owner" || role === "professional";
  demand(type !== "end" || mayEnd, "not_permitted", "only a professional ends a conversation");
}
