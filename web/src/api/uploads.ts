/** Resumable upload by tus 1.0. Source: docs/spec/api.md 6. */

import type { Clock } from "../platform/platform.ts";
import type { Caller } from "./http.ts";
import { Refused } from "./refusal.ts";
import type { B64 } from "./types.ts";

const TUS = { "Tus-Resumable": "1.0.0" } as const;
const FIRST_PART = 262_144; // bytes
const BRISK = 1_000; // milliseconds: a part that took less may grow

export type Upload = {
  readonly attachment: B64;
  /** Bytes. */
  readonly size: number;
  /** At most `length` bytes from `offset`; at least one. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array<ArrayBuffer>>;
  readonly progress?: (sent: number) => void;
  readonly signal?: AbortSignal;
  /** Largest part the server takes, bytes. */
  readonly partLimit: number;
};

export class Uploads {
  readonly #caller: Caller;
  readonly #clock: Clock;

  constructor(caller: Caller, clock: Clock) {
    this.#caller = caller;
    this.#clock = clock;
  }

  /** Send what the server does not have yet. Safe to call again after any failure. */
  async send(upload: Upload): Promise<void> {
    await this.#create(upload);
    let offset = await this.#offset(upload);
    let part = FIRST_PART;
    while (offset < upload.size) {
      upload.progress?.(offset);
      const began = this.#clock.now();
      offset = await this.#patch(upload, offset, Math.min(part, upload.partLimit, upload.size - offset));
      if (this.#clock.now() - began < BRISK) part *= 2;
    }
    upload.progress?.(upload.size);
  }

  /** Forget an upload that was never linked; a failure does not matter (it is swept after a day). */
  async drop(attachment: B64): Promise<void> {
    await this.#caller.done({ method: "DELETE", path: path(attachment), headers: TUS }).catch(() => undefined);
  }

  async #create(upload: Upload): Promise<void> {
    await this.#caller.done({
      method: "POST",
      path: "/v1/uploads",
      headers: {
        ...TUS,
        "Upload-Length": String(upload.size),
        "Upload-Metadata": `attachment ${btoa(upload.attachment)}`,
      },
      ...signalOf(upload),
      patient: true,
    });
  }

  async #offset(upload: Upload): Promise<number> {
    const call = { method: "HEAD", path: path(upload.attachment), headers: TUS, patient: true } as const;
    return offsetOf(await this.#caller.response({ ...call, ...signalOf(upload) }));
  }

  async #patch(upload: Upload, offset: number, length: number): Promise<number> {
    const bytes = await upload.read(offset, length);
    try {
      const response = await this.#caller.response({
        method: "PATCH",
        path: path(upload.attachment),
        bytes,
        headers: { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) },
        ...signalOf(upload),
      });
      return offsetOf(response);
    } catch (error) {
      // A part whose answer was lost: go on from where the server is.
      if (error instanceof Refused && error.code === "offset_conflict") return this.#offset(upload);
      throw error;
    }
  }
}

function path(attachment: B64): string {
  return `/v1/uploads/${attachment}`;
}

function signalOf(upload: Upload): { readonly signal?: AbortSignal } {
  return upload.signal === undefined ? {} : { signal: upload.signal };
}

function offsetOf(response: Response): number {
  return Number(response.headers.get("Upload-Offset") ?? 0);
}
