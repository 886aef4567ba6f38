/**
 * Attachments, sealed and opened as streams or by segment: Tink's AES-GCM-HKDF streaming format.
 * Source: docs/spec/protocol.md 8.
 */

import { b64, concat, u32, u8, unb64 } from "./codec.ts";
import { demand, refuseAs } from "./errors.ts";
import { hkdf } from "./kdf.ts";
import { systemRandom, type Random } from "./random.ts";
import { Cutter, type Piece } from "./segments.ts";
import * as shape from "./shape.ts";
import { AES_KEY, AES_TAG, HASH, type AttachmentId, type Bytes } from "./suite.ts";

export const ATTACHMENT_ID = 16;
/** Sealed segment i begins at byte i × 65,536; the first one holds the header too. */
export const SEGMENT = 65_536;
export const HEADER = 40;
const SALT = 32;
const NONCE_PREFIX = 7;
const FIRST_PLAIN = SEGMENT - HEADER - AES_TAG;
const PLAIN = SEGMENT - AES_TAG;
const UNSAFE_NAME = /[/\\\p{Cc}]/u;

export const attachmentReference = shape.object({
  id: shape.bytes(ATTACHMENT_ID),
  key: shape.bytes(AES_KEY),
  media_type: shape.text(255, 1),
  name: fileName,
  sealed_sha256: shape.bytes(HASH),
  sealed_size: shape.integer(0),
  sha256: shape.bytes(HASH),
  size: shape.integer(0),
  title: shape.text(200),
  document: shape.nullable(shape.oneOf("prescription", "advice", "report", "letter", "image", "other")),
});

/** What a message says of an attachment: where it is, how it opens, what it must turn out to be. */
export type AttachmentReference = ReturnType<typeof attachmentReference>;

/** What the sender says of the file itself. */
export type Described = Pick<AttachmentReference, "media_type" | "name" | "title" | "document">;

export type SealingAttachment = {
  /** Plaintext in, sealed bytes out. */
  readonly transform: TransformStream<Bytes, Bytes>;
  /** The reference; only after the stream has ended (throws `RangeError` before). */
  reference(described: Described): AttachmentReference;
};

/** Number of segments of a file of `size` bytes; an empty file has one. */
export function segmentCount(size: number): number {
  return 1 + Math.ceil(Math.max(0, size - FIRST_PLAIN) / PLAIN);
}

/** Bytes of a sealed file of `size` bytes: 40 + size + 16 a segment. */
export function sealedSize(size: number): number {
  return HEADER + size + AES_TAG * segmentCount(size);
}

/** Where a segment stands in the sealed file (segment 0 with the header), and where its plaintext begins. */
export function segmentRange(index: number, sealed: number): { readonly start: number; readonly end: number; readonly offset: number } {
  const offset = index === 0 ? 0 : FIRST_PLAIN + (index - 1) * PLAIN;
  return { start: index * SEGMENT, end: Math.min(sealed, (index + 1) * SEGMENT), offset };
}

/** Seal a file under a new key. `id` (b64, 16 bytes) is bound to it. */
export async function sealAttachment(
  { id }: { readonly id: AttachmentId },
  random: Random = systemRandom,
): Promise<SealingAttachment> {
  const fileKey = random(AES_KEY);
  const header = concat(u8(HEADER), random(SALT), random(NONCE_PREFIX));
  const cipher = await segmentCipher(fileKey, id, header, "encrypt");
  const cutter = new Cutter((index) => (index === 0 ? FIRST_PLAIN : PLAIN));
  const [plain, sealed] = await tallies();
  const put = async (piece: Piece, out: TransformStreamDefaultController<Bytes>): Promise<void> => {
    const segment = await cipher(piece);
    out.enqueue(sealed.count(piece.index === 0 ? concat(header, segment) : segment));
  };
  let ended = false;
  const transform = new TransformStream<Bytes, Bytes>({
    transform: async (chunk, out) => {
      for (const piece of cutter.push(plain.count(chunk))) await put(piece, out);
    },
    flush: async (out) => {
      await put(cutter.end(), out);
      ended = true;
    },
  });
  const reference = (described: Described): AttachmentReference => {
    if (!ended) throw new RangeError("the stream has not ended");
    const sums = { sha256: plain.hash, size: plain.size, sealed_sha256: sealed.hash, sealed_size: sealed.size };
    return attachmentReference({ id, key: b64(fileKey), ...described, ...sums });
  };
  return { transform, reference };
}

/**
 * Sealed bytes in, plaintext out. The stream fails with `open_failed` at the first segment that does not open, and at its
 * end when a size or a hash differs: show nothing before it has ended.
 */
export async function openAttachment(reference: AttachmentReference): Promise<TransformStream<Bytes, Bytes>> {
  const cutter = new Cutter(() => SEGMENT);
  const [plain, sealed] = await tallies();
  let cipher: Cipher | undefined;
  const put = async (piece: Piece, out: TransformStreamDefaultController<Bytes>): Promise<void> => {
    const bytes = piece.index === 0 ? piece.bytes.slice(HEADER) : piece.bytes;
    cipher ??= await openingCipher(reference, piece.bytes.slice(0, HEADER));
    out.enqueue(plain.count(await cipher({ ...piece, bytes })));
  };
  return new TransformStream<Bytes, Bytes>({
    transform: async (chunk, out) => {
      for (const piece of cutter.push(sealed.count(chunk))) await put(piece, out);
    },
    flush: async (out) => {
      await put(cutter.end(), out);
      const same = plain.size === reference.size && sealed.size === reference.sealed_size;
      demand(same, "open_failed", "a size differs from the signed reference");
      const sameHash = plain.hash === reference.sha256 && sealed.hash === reference.sealed_sha256;
      demand(sameHash, "open_failed", "a hash differs from the signed reference");
    },
  });
}

/**
 * Open one segment for seeking. `header` is the first 40 bytes of the file; `segment` the bytes of `segmentRange`.
 * Refuses with `open_failed`. What it gives is not yet compared with the hashes of the reference.
 */
export async function openSegment(request: {
  readonly reference: AttachmentReference;
  readonly header: Bytes;
  readonly index: number;
  readonly segment: Bytes;
}): Promise<Bytes> {
  const { reference, header, index, segment } = request;
  const { start, end } = segmentRange(index, reference.sealed_size);
  demand(start < end && segment.length === end - start, "open_failed", "range of the segment");
  const cipher = await openingCipher(reference, header);
  const bytes = index === 0 ? segment.slice(HEADER) : segment;
  return cipher({ index, last: end === reference.sealed_size, bytes });
}

type Cipher = (piece: Piece) => Promise<Bytes>;

async function openingCipher(reference: AttachmentReference, header: Bytes): Promise<Cipher> {
  const cipher = await segmentCipher(unb64(reference.key, AES_KEY), reference.id, header, "decrypt");
  return (piece) => refuseAs("open_failed", "a segment does not open", () => cipher(piece));
}

async function segmentCipher(
  fileKey: Bytes,
  id: AttachmentId,
  header: Bytes,
  use: "encrypt" | "decrypt",
): Promise<Cipher> {
  demand(header.length === HEADER && header[0] === HEADER, "open_failed", "header of the attachment");
  const salt = header.slice(1, 1 + SALT);
  const prefix = header.slice(1 + SALT);
  const raw = await hkdf(fileKey, { salt, info: unb64(id, ATTACHMENT_ID), length: AES_KEY });
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, [use]);
  return async ({ index, last, bytes }) => {
    const iv = concat(prefix, u32(index), u8(last ? 1 : 0));
    return new Uint8Array(await crypto.subtle[use]({ name: "AES-GCM", iv }, key, bytes));
  };
}

type Hash = { update(bytes: Bytes): unknown; digest(): Uint8Array };

/** Of the plain bytes and of the sealed ones. The hash that takes pieces comes with the first document, not with the first screen. */
async function tallies(): Promise<readonly [Tally, Tally]> {
  const { sha256 } = await import("@noble/hashes/sha2.js");
  return [new Tally(sha256.create()), new Tally(sha256.create())];
}

/** Size and SHA-256 of what has passed. */
class Tally {
  readonly #hash: Hash;
  #digest: string | undefined;
  size = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  count(bytes: Bytes): Bytes {
    this.#hash.update(bytes);
    this.size += bytes.length;
    return bytes;
  }

  get hash(): string {
    this.#digest ??= b64(this.#hash.digest());
    return this.#digest;
  }
}

/** A name that is no path: readers sanitise it again before they write a file. */
function fileName(value: Parameters<shape.Shape<string>>[0]): string {
  const name = shape.text(255, 1)(value);
  demand(!UNSAFE_NAME.test(name) && name !== "." && name !== "..", "bad_format", "not a plain file name");
  return name;
}
