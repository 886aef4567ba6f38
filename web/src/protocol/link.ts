/**
 * A link of an account chain, as bytes and as values. Source: docs/spec/protocol.md 5.1, 5.2.
 */

import { b64, encodeCanonical, readSigned, unb64, type Json, type JsonObject, type Signed } from "./codec.ts";
import { demand, ProtocolError } from "./errors.ts";
import { hash } from "./kdf.ts";
import * as shape from "./shape.ts";
import { ENC_PUBLIC, HASH, HOLDER_ID, SIGN_PUBLIC, SUITE, VERSION, type B64, type Bytes, type HolderId, type Time } from "./suite.ts";

const MAX_U32 = 0xffff_ffff;

const addedHolder = shape.object({
  enc: shape.bytes(ENC_PUBLIC),
  kind: shape.oneOf("device", "recovery", "passkey"),
  name: shape.text(64),
  sign: shape.bytes(SIGN_PUBLIC),
});

const addedUserKey = shape.object({ enc: shape.bytes(ENC_PUBLIC), generation: shape.integer(1, MAX_U32) });

const endedHolder = shape.object({ holder: shape.bytes(HOLDER_ID) });

const BODIES = {
  genesis: shape.object({ kind: shape.oneOf("user", "practice", "service"), holder: addedHolder, uk: addedUserKey }),
  holder_add: shape.object({ holder: addedHolder }),
  holder_retire: endedHolder,
  holder_revoke: endedHolder,
  uk_rotate: shape.object({ uk: addedUserKey }),
  attest: shape.object({ certificate: shape.bytes() }),
  delegate_add: shape.object({
    account: shape.bytes(HASH),
    scope: shape.oneOf("read", "write"),
    until: shape.nullable(shape.integer(0)),
  }),
  delegate_remove: shape.object({ account: shape.bytes(HASH) }),
} as const;

export type LinkType = keyof typeof BODIES;
export type LinkBodies = { readonly [T in LinkType]: ReturnType<(typeof BODIES)[T]> };
export type AddedHolder = ReturnType<typeof addedHolder>;
export type AddedUserKey = ReturnType<typeof addedUserKey>;
export type LinkContent = { [T in LinkType]: { readonly type: T; readonly body: LinkBodies[T] } }[LinkType];

const fields = shape.object({
  v: shape.integer(0),
  suite: shape.integer(0),
  type: shape.oneOf(...(Object.keys(BODIES) as LinkType[])),
  account: shape.nullable(shape.bytes(HASH)),
  position: shape.integer(0),
  previous: shape.nullable(shape.bytes(HASH)),
  signer: shape.bytes(HOLDER_ID),
  at: shape.integer(0),
  body: shape.anyObject,
});

export type Link = Omit<ReturnType<typeof fields>, "type" | "body"> & {
  readonly content: LinkContent;
  readonly signed: Signed;
  /** `H("link", wire)`. */
  readonly hash: B64;
};

/** Read a link's form; nothing is verified. Refuses: `bad_format`, `unknown_version`. */
export async function readLink(wire: Bytes): Promise<Link> {
  const signed = readSigned(wire);
  const { type, body, ...rest } = fields(signed.value);
  const content = { type, body: BODIES[type](body) } as LinkContent;
  demand(rest.v === VERSION && rest.suite === SUITE, "unknown_version", "version or suite of the link");
  return { ...rest, content, signed, hash: await linkHash(wire) };
}

/** Hash of a link, over all its wire bytes. */
export async function linkHash(wire: Bytes): Promise<B64> {
  return b64(await hash("link", wire));
}

export type NewLink = {
  readonly account: B64 | null;
  readonly position: number;
  readonly previous: B64 | null;
  readonly signer: HolderId;
  readonly at: Time;
  readonly content: LinkContent;
};

/** Body bytes of a link, to be signed. */
export function writeLinkBody(link: NewLink): Bytes {
  const { content, ...rest } = link;
  const body: JsonObject = { ...(content.body satisfies Json) };
  return encodeCanonical({ v: VERSION, suite: SUITE, type: content.type, ...rest, body });
}

/** The id of a holder that a link brings. */
export async function addedHolderId(holder: AddedHolder): Promise<HolderId> {
  const digest = await hash("holder", unb64(holder.sign, SIGN_PUBLIC), unb64(holder.enc, ENC_PUBLIC));
  return b64(digest.slice(0, HOLDER_ID));
}

/** The signature in this place, or `bad_signature`. */
export function signatureOf(signed: Signed, place: 0 | 1): Bytes {
  const signature = signed.signatures[place];
  if (signature === undefined) throw new ProtocolError("bad_signature", "a signature is missing");
  return signature;
}
