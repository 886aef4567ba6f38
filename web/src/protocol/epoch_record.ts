/**
 * An epoch record: who is in a conversation from here on, signed. Source: docs/spec/protocol.md 6.2.
 */

import { b64, encodeCanonical, readSigned, writeSigned, type Signed } from "./codec.ts";
import { demand } from "./errors.ts";
import { hash } from "./kdf.ts";
import * as shape from "./shape.ts";
import { signLabelled, type Signer } from "./sign.ts";
import { ENC_PUBLIC, HASH, HOLDER_ID, MAX_MEMBERS, SIGN_PUBLIC, SIGNATURE, SUITE, VERSION, type B64, type Bytes } from "./suite.ts";

const BACKLINK = 80;
const MAX_U32 = 0xffff_ffff;

const role = shape.oneOf("owner", "professional", "member", "patient", "delegate", "service");
const history = shape.oneOf("none", "full", "partial");
const reason = shape.oneOf("create", "add", "remove", "claim", "rotate", "delegate", "reinvite");

const member = shape.object({
  box: shape.bytes(HASH),
  expires: shape.nullable(shape.integer(0)),
  generation: shape.integer(0, MAX_U32),
  head: shape.bytes(HASH),
  history,
  id: shape.bytes(HASH),
  key: shape.bytes(HASH),
  kind: shape.oneOf("user", "practice", "service", "invite"),
  position: shape.integer(0),
  role,
});

const claim = shape.object({
  enc: shape.bytes(ENC_PUBLIC),
  invite: shape.bytes(HASH),
  sign: shape.bytes(SIGN_PUBLIC),
  signature: shape.bytes(SIGNATURE),
});

const fields = shape.object({
  v: shape.integer(0),
  suite: shape.integer(0),
  type: shape.oneOf("epoch"),
  conversation: shape.nullable(shape.bytes(HASH)),
  epoch: shape.integer(1, MAX_U32),
  previous: shape.nullable(shape.bytes(HASH)),
  members: shape.list(member, MAX_MEMBERS, 1),
  commit: shape.bytes(HASH),
  link_commit: shape.bytes(HASH),
  backlink: shape.nullable(shape.bytes(BACKLINK)),
  roster: shape.bytes(),
  reason,
  author: shape.bytes(HASH),
  device: shape.bytes(HOLDER_ID),
  claim: shape.nullable(claim),
  checkpoint: shape.nothing,
  at: shape.integer(0),
});

export type Role = ReturnType<typeof role>;
/** What a member may read of the time before: nothing, everything, or the epochs listed in its box. */
export type History = ReturnType<typeof history>;
export type Reason = ReturnType<typeof reason>;
export type Member = ReturnType<typeof member>;
export type Claim = ReturnType<typeof claim>;
export type EpochBody = Omit<ReturnType<typeof fields>, "v" | "suite" | "type" | "checkpoint">;

export type EpochRecord = EpochBody & {
  /** `H("epoch", wire)`; of epoch 1 it is the conversation id. */
  readonly hash: B64;
  readonly wire: Bytes;
  readonly signed: Signed;
};

/** Read a record's form; nothing is verified. Refuses: `bad_format`, `unknown_version`. */
export async function readRecord(wire: Bytes): Promise<EpochRecord> {
  const signed = readSigned(wire);
  demand(signed.signatures.length === 1, "bad_format", "a record has one signature");
  const { v, suite, ...read } = fields(signed.value);
  demandForm(read);
  demand(v === VERSION && suite === SUITE, "unknown_version", "version or suite of the record");
  return { ...read, hash: b64(await hash("epoch", wire)), wire, signed };
}

/** Sign a record. */
export async function writeRecord(body: EpochBody, device: Signer): Promise<Bytes> {
  const bytes = encodeCanonical({ ...body, v: VERSION, suite: SUITE, type: "epoch", checkpoint: null });
  return writeSigned(bytes, [await signLabelled(device, "epoch", bytes)]);
}

export function memberOf(record: EpochRecord, id: B64): Member | undefined {
  return record.members.find((one) => one.id === id);
}

/** Whether texts ascend by code point, each once: how every list of ids is sorted. */
export function ascending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || (texts[i - 1] ?? "") < text);
}

function demandForm(body: EpochBody): void {
  demand(ascending(body.members.map(({ id }) => id)), "bad_format", "members are sorted, each once");
  const first = body.epoch === 1;
  const onlyLater = [body.conversation, body.previous, body.backlink];
  demand(onlyLater.every((value) => (value === null) === first), "bad_format", "null in epoch 1, and only there");
  demand((body.claim !== null) === (body.reason === "claim"), "bad_format", "a claim belongs to its reason");
  for (const one of body.members) demandInviteForm(one);
}

function demandInviteForm(one: Member): void {
  demand((one.kind === "invite") === (one.expires !== null), "bad_format", "an invite expires, nobody else does");
  if (one.kind !== "invite") return;
  const fixed = one.generation === 0 && one.position === 0 && one.head === one.id && one.history === "full";
  demand(fixed, "bad_format", "fixed values of an invite");
}
