/**
 * The one suite of version 1: versions, sizes in bytes and limits. Source: docs/spec/protocol.md 2, 7.1, 8.
 */

/** Bytes that WebCrypto takes: never backed by shared memory. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** base64url without padding: how bytes look in JSON, in URLs and as keys of a `Map`. */
export type B64 = string;

export type AccountId = B64;
export type HolderId = B64;
/** An account id, or for an invite the hash of its two public keys. */
export type MemberId = B64;
export type ConversationId = B64;
export type MessageId = B64;
export type AttachmentId = B64;
/** Milliseconds since 1970-01-01T00:00:00Z. Informs; never orders anything. */
export type Time = number;

export const VERSION = 1;
export const SUITE = 1;

export const HASH = 32;
export const HOLDER_ID = 16;
export const SEED = 32;
export const SIGNATURE = 64;
export const SIGN_PUBLIC = 32;
export const ENC_PUBLIC = 1216;
export const AES_KEY = 32;
export const AES_NONCE = 12;
export const AES_TAG = 16;
/** Encapsulated secret of X-Wing, in front of each box. */
export const ENCAPSULATED = 1120;

export const MAX_SIGNED_BODY = 262_144;
export const MAX_ENVELOPE = 262_144;
export const MAX_CONTENT = 131_072;
export const MAX_TEXT = 65_536;
export const MAX_MEMBERS = 64;
export const MAX_LINKS = 10_000;
export const MAX_ATTACHMENT = 104_857_600;
