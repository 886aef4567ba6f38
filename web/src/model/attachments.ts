/**
 * Files on their way: sealed into pieces that lie on this device until the message that names them is accepted, sent up
 * resumably, and fetched and opened as a stream. Source: docs/spec/protocol.md 8, docs/spec/api.md 6.
 */

import type { Api } from "../api/client.ts";
import { Refused, Unreachable } from "../api/refusal.ts";
import type { Change } from "../platform/platform.ts";
import { openAttachment, sealAttachment, sealedSize, type AttachmentReference } from "../protocol/attachment.ts";
import { b64 } from "../protocol/codec.ts";
import type { AttachmentId, Bytes, ConversationId } from "../protocol/suite.ts";
import { plainLine } from "./plain_line.ts";
import { LocalRefusal } from "./refusals.ts";
import type { Vault } from "./vault.ts";

const PIECE = 1_048_576; // bytes of sealed stream kept under one key
const RESUMES = 5;
const EXTENSION = /\.[A-Za-z0-9]{1,8}$/;

export type { AttachmentReference } from "../protocol/attachment.ts";

/** A file as a page hands it over. */
export type ChosenFile = {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  stream(): ReadableStream<Uint8Array<ArrayBuffer>>;
};

export type Limits = { readonly attachment: number; readonly upload_part: number };

type Upload = { readonly size: number; readonly uploaded: boolean };

type Progress = (share: number) => void;
type Running = { readonly done: Promise<void>; readonly watchers: Set<Progress> };

export class Attachments {
  readonly #vault: Vault;
  readonly #api: Api;
  readonly #random: (length: number) => Bytes;
  readonly #limits: () => Promise<Limits>;
  readonly #running = new Map<AttachmentId, Running>();

  constructor(vault: Vault, api: Api, random: (length: number) => Bytes, limits: () => Promise<Limits>) {
    this.#vault = vault;
    this.#api = api;
    this.#random = random;
    this.#limits = limits;
  }

  /**
   * Seal a file onto this device. Nothing has been sent yet.
   * @throws LocalRefusal `file_empty`, `attachment_too_large`, `file_unreadable`
   */
  async seal(file: ChosenFile, signal: AbortSignal): Promise<AttachmentReference> {
    if (file.size === 0) throw new LocalRefusal("file_empty");
    if (file.size > (await this.#limits()).attachment) throw new LocalRefusal("attachment_too_large");
    const id = b64(this.#random(16));
    const sealing = await sealAttachment({ id });
    try {
      const size = await this.#keep(id, file.stream().pipeThrough(sealing.transform, { signal }));
      await this.#vault.keep("own", uploadKey(id), { size, uploaded: false } satisfies Upload);
    } catch (error) {
      await this.forget(id);
      if (signal.aborted || (error instanceof DOMException && error.name === "QuotaExceededError")) throw error;
      throw new LocalRefusal("file_unreadable");
    }
    return sealing.reference({ name: safeName(file.name), media_type: mediaType(file.type), title: "", document: null });
  }

  /**
   * Send up what the server does not have yet; safe to repeat, also after a reload. Whoever asks while it is under way
   * (the message, after the writing box) waits for the same upload: two would only push each other back.
   */
  async upload(id: AttachmentId, progress: Progress, signal?: AbortSignal): Promise<void> {
    const running = this.#running.get(id) ?? this.#start(id, signal);
    running.watchers.add(progress);
    await running.done;
  }

  #start(id: AttachmentId, signal: AbortSignal | undefined): Running {
    const watchers = new Set<Progress>();
    const tell = (share: number): void => {
      for (const watcher of watchers) watcher(share);
    };
    const done = this.#send(id, tell, signal).finally(() => this.#running.delete(id));
    const running = { done, watchers };
    this.#running.set(id, running);
    return running;
  }

  async #send(id: AttachmentId, progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    const upload = await this.#vault.read<Upload>("own", uploadKey(id));
    // Already linked (nothing is kept any more) or already up.
    if (upload === undefined || upload.uploaded) return;
    await this.#api.uploads.send({
      attachment: id,
      size: upload.size,
      partLimit: (await this.#limits()).upload_part,
      read: (offset, length) => this.#read(id, offset, length),
      progress: (sent) => {
        progress(sent / upload.size);
      },
      ...(signal === undefined ? {} : { signal }),
    });
    await this.#vault.keep("own", uploadKey(id), { ...upload, uploaded: true } satisfies Upload);
  }

  /** The server has swept it meanwhile: the pieces are still here, so it can go up once more. */
  async mustUploadAgain(id: AttachmentId): Promise<boolean> {
    const upload = await this.#vault.read<Upload>("own", uploadKey(id));
    if (upload === undefined) return false;
    await this.#vault.keep("own", uploadKey(id), { ...upload, uploaded: false } satisfies Upload);
    return true;
  }

  async forget(id: AttachmentId): Promise<void> {
    await this.#vault.write(removalOf(id));
  }

  /**
   * Fetch, open and check a document to its last byte.
   * @throws ProtocolError `open_failed` when any byte differs from what was signed; nothing is given then.
   */
  async open(
    conversation: ConversationId,
    reference: AttachmentReference,
    progress: (share: number) => void,
  ): Promise<Bytes> {
    const opening = await openAttachment(reference);
    return collected(this.#download(conversation, reference.id, reference.sealed_size, progress).pipeThrough(opening));
  }

  async #keep(id: AttachmentId, sealed: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<number> {
    const reader = sealed.getReader();
    let size = 0;
    let piece = new Uint8Array(PIECE);
    let filled = 0;
    let number = 0;
    const flush = async (): Promise<void> => {
      await this.#vault.write([{ drawer: "uploads", key: [id, number], put: piece.slice(0, filled) }]);
      number += 1;
      piece = new Uint8Array(PIECE);
      filled = 0;
    };
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      for (let rest = read.value; rest.length > 0; ) {
        const taken = Math.min(rest.length, PIECE - filled);
        piece.set(rest.subarray(0, taken), filled);
        filled += taken;
        size += taken;
        rest = rest.subarray(taken);
        if (filled === PIECE) await flush();
      }
    }
    if (filled > 0) await flush();
    return size;
  }

  async #read(id: AttachmentId, offset: number, length: number): Promise<Bytes> {
    const first = Math.floor(offset / PIECE);
    const last = Math.floor((offset + length - 1) / PIECE);
    const pieces = await this.#vault.storage.range<Bytes>("uploads", [id, first], [id, last]);
    const joined = new Uint8Array(await new Blob(pieces.map((piece) => piece.value)).arrayBuffer());
    return joined.slice(offset - first * PIECE, offset - first * PIECE + length);
  }

  /** The sealed bytes; a cut connection is taken up again where it broke. */
  #download(
    conversation: ConversationId,
    id: AttachmentId,
    size: number,
    progress: (share: number) => void,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    let received = 0;
    let failures = 0;
    let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
    const next = async (): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> => {
      for (;;) {
        try {
          reader ??= await this.#bodyFrom(conversation, id, received);
          const read = await reader.read();
          if (!read.done || received >= size) return read;
          throw new Unreachable("the download was cut");
        } catch (error) {
          failures += 1;
          reader = null;
          if (error instanceof Refused || failures > RESUMES) throw error;
        }
      }
    };
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        const read = await next();
        if (read.done) {
          controller.close();
          return;
        }
        received += read.value.length;
        progress(Math.min(1, received / size));
        controller.enqueue(read.value);
      },
    });
  }

  async #bodyFrom(
    conversation: ConversationId,
    id: AttachmentId,
    from: number,
  ): Promise<ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>> {
    const response = await this.#api.attachment(conversation, id, from);
    if (response.body === null) throw new Unreachable("an empty answer");
    return response.body.getReader();
  }
}

/** All of a stream; what ends it early is thrown as it is (a `Response` would make a TypeError of it). */
async function collected(stream: ReadableStream<Bytes>): Promise<Bytes> {
  const pieces: Bytes[] = [];
  const reader = stream.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) pieces.push(read.value);
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

/** How many bytes a file becomes when sealed. */
export const sealedLength = sealedSize;

/** The changes that remove what is kept of an upload. */
export function removalOf(id: AttachmentId): readonly Change[] {
  return [
    { drawer: "uploads", from: [id, 0], to: [id, Number.MAX_SAFE_INTEGER], remove: true },
    { drawer: "own", key: uploadKey(id), remove: true },
  ];
}

function uploadKey(id: AttachmentId): string {
  return `upload:${id}`;
}

function mediaType(type: string): string {
  return type === "" ? "application/octet-stream" : type;
}

/** A name that docs/spec/protocol.md 8.3 allows, as near as possible to the given one. */
export function safeName(name: string): string {
  const cleaned = plainLine(name).replace(/[/\\\u0000-\u001f\u007f-\u009f]/g, "_").trim();
  if (cleaned === "" || cleaned === "." || cleaned === "..") return "document";
  const extension = EXTENSION.exec(cleaned)?.[0] ?? "";
  let stem = cleaned.slice(0, cleaned.length - extension.length);
  const bytes = new TextEncoder();
  while (bytes.encode(stem + extension).length > 255) stem = Array.from(stem).slice(0, -1).join("");
  return stem + extension;
}
