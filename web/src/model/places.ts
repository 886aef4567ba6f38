/** Where the messages of a conversation stand, by their ids: docs/spec/protocol.md 7.4. */

import type { ConversationId, MessageId } from "../protocol/suite.ts";
import type { EnvelopeEntry, LogEntry } from "./log_entry.ts";
import type { Vault } from "./vault.ts";

const SCAN = 200; // entries read at once
const MOST = 50; // conversations that are remembered; those not asked about for the longest time give way

/** `counts`: what stood there was this message, or nothing any more; else another place may bring it. */
type Place = { readonly seq: number; readonly counts: boolean };

export class Places {
  readonly #vault: Vault;
  readonly #known = new Map<ConversationId, Promise<Map<MessageId, Place>>>();

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  /** What this device keeps of a conversation, read once; whoever adds to the log says so with `note`. */
  of(id: ConversationId): Promise<ReadonlyMap<MessageId, Place>> {
    return this.#of(id);
  }

  /** An envelope that is not in the log yet, or is there already at the same place. */
  async note(id: ConversationId, entry: EnvelopeEntry): Promise<void> {
    (await this.#of(id)).set(entry.id, placeOf(entry));
  }

  /** Something else has written into the log. */
  forget(id: ConversationId): void {
    this.#known.delete(id);
  }

  #of(id: ConversationId): Promise<Map<MessageId, Place>> {
    const known = this.#known.get(id) ?? this.#read(id);
    this.#known.delete(id);
    this.#known.set(id, known);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST) break;
      this.#known.delete(oldest);
    }
    return known;
  }

  async #read(id: ConversationId): Promise<Map<MessageId, Place>> {
    const found = new Map<MessageId, Place>();
    try {
      for await (const page of pages(this.#vault, id)) {
        for (const entry of page) if (entry.type === "envelope") found.set(entry.id, placeOf(entry));
      }
    } catch (error) {
      this.forget(id);
      throw error;
    }
    return found;
  }
}

/** All that is kept of a log, the newest first. */
export async function* pages(vault: Vault, id: ConversationId): AsyncGenerator<readonly LogEntry[]> {
  for (let before = Number.MAX_SAFE_INTEGER; ; ) {
    const page = await vault.range<LogEntry>("events", [id, 0], [id, before - 1], SCAN);
    const [oldest] = page;
    if (oldest === undefined) return;
    yield page;
    before = oldest.seq;
  }
}

function placeOf({ seq, message, retracted, trimmed }: EnvelopeEntry): Place {
  return { seq, counts: message !== null || retracted || trimmed === true };
}
