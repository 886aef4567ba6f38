/** What the person has had in sight: a while later it is read, and a signed receipt says so. */

import type { Facts } from "../model/facts.ts";
import type { Home, Opening } from "../model/home.ts";
import { type EnvelopeEntry, isEnvelope, type LogEntry } from "../model/log_entry.ts";

const OPENED = 64; // documents that one receipt may name (docs/spec/protocol.md 7.4)

export type ReadingParts = {
  readonly home: Home;
  readonly conversation: string;
  readonly facts: () => Facts | null;
  /** Ascending. */
  readonly entries: () => readonly LogEntry[];
  /** Run the receipt when what is in sight has stayed there long enough; a wait that has begun goes on. */
  readonly wait: (run: () => Promise<void>) => void;
  readonly failed: (error: unknown) => void;
};

export class Reading {
  readonly #parts: ReadingParts;
  #sight = 0;
  #opened: readonly Opening[] = [];

  constructor(parts: ReadingParts) {
    this.#parts = parts;
  }

  /** Everything up to the entry `seq` is above the lower edge of the screen now. */
  saw(seq: number): void {
    this.#sight = seq;
    if (this.#news() !== undefined) this.#parts.wait(this.#receipt);
  }

  opened(message: string, attachment: string): void {
    const entry = this.#envelopes().find(({ id }) => id === message);
    if (entry === undefined || entry.author === this.#me || this.#openedBefore(attachment)) return;
    this.#opened = [...this.#opened, { message, attachment }];
    this.#sight = Math.max(this.#sight, entry.seq);
    this.#parts.wait(this.#receipt);
  }

  get #me(): string {
    return this.#parts.home.account;
  }

  #envelopes(): readonly EnvelopeEntry[] {
    return this.#parts.entries().filter(isEnvelope);
  }

  /** The newest message of others in sight. */
  #upto(): EnvelopeEntry | undefined {
    return this.#envelopes().findLast(
      ({ kind, author, seq, retracted, trimmed }) =>
        kind === "message" && author !== this.#me && seq <= this.#sight && !retracted && trimmed !== true,
    );
  }

  /** The same, when it was not read before. */
  #news(): EnvelopeEntry | undefined {
    const upto = this.#upto();
    return upto !== undefined && upto.seq > (this.#parts.facts()?.readSeq ?? upto.seq) ? upto : undefined;
  }

  readonly #receipt = async (): Promise<void> => {
    const { home, conversation, facts, failed } = this.#parts;
    const known = facts();
    const upto = this.#opened.length > 0 ? this.#upto() : this.#news();
    if (upto === undefined || known === null || known.alarm !== null) return;
    const opened = this.#opened.slice(0, OPENED);
    this.#opened = this.#opened.slice(OPENED);
    await home.receipt(conversation, upto.id, Math.max(upto.seq, known.readSeq), opened).catch(failed);
  };

  #openedBefore(attachment: string): boolean {
    if (this.#opened.some((one) => one.attachment === attachment)) return true;
    return this.#envelopes().some(({ author, message }) => {
      const said = message?.content.said;
      return author === this.#me && said?.type === "receipt" && said.payload.opened.some((one) => one.attachment === attachment);
    });
  }
}
