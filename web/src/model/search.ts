/**
 * Looking for words in the messages that lie on this device. The server cannot: it never saw one. Messages are opened a
 * portion at a time, and their folded words are kept in memory alone, up to `KEPT` characters, until the search goes.
 */

import { readAct } from "../protocol/appointment.ts";
import type { AppointmentPayload, Payloads } from "../protocol/content.ts";
import type { ConversationId, MessageId } from "../protocol/suite.ts";
import type { Changes } from "./changes.ts";
import { floorOf, type Facts } from "./facts.ts";
import { fold } from "./folding.ts";
import type { Log } from "./log.ts";
import { shownText, type LogEntry } from "./log_entry.ts";

const PORTION = 500; // entries opened at once
const KEPT = 20_000_000; // characters

/** A message that can be found. `text`: its own and the names of its documents, or what its appointment says, as they are shown. */
export type Line = { readonly id: MessageId; readonly seq: number; readonly at: number; readonly author: string; readonly text: string };
type Folded = Line & { readonly folded: string };

export type Found = {
  /** Newest first. */
  readonly lines: readonly Line[];
  /** How many messages were looked at. */
  readonly looked: number;
  /** Older messages are on the server only. */
  readonly partial: boolean;
};

export class Search {
  readonly #log: Log;
  readonly #kept = new Map<ConversationId, { readonly last: number; readonly from: number; readonly lines: readonly Folded[]; readonly size: number }>();
  readonly #stop: () => void;
  #size = 0;

  constructor(log: Log, changes: Changes) {
    this.#log = log;
    this.#stop = changes.watch((changed) => {
      if (changed.what === "conversation") this.#forget(changed.conversation);
    });
  }

  /** Messages of one conversation that hold every word (folded, `wordsOf`). Rejects with the reason of an aborted signal. */
  async within(facts: Facts, words: readonly string[], signal: AbortSignal): Promise<Found> {
    const lines = await this.#lines(facts, signal);
    const hits = words.length === 0 ? [] : lines.filter(({ folded }) => words.every((word) => folded.includes(word)));
    return { lines: hits, looked: lines.length, partial: !(facts.complete || facts.from <= floorOf(facts)) };
  }

  dispose(): void {
    this.#stop();
    this.#kept.clear();
    this.#size = 0;
  }

  #forget(id: ConversationId): void {
    this.#size -= this.#kept.get(id)?.size ?? 0;
    this.#kept.delete(id);
  }

  async #lines(facts: Facts, signal: AbortSignal): Promise<readonly Folded[]> {
    const { conversation: id, last, from } = facts;
    const kept = this.#kept.get(id);
    if (kept?.last === last && kept.from === from) return kept.lines;
    const lines: Folded[] = [];
    const described = new Set<MessageId>();
    const portion = (to: number): Promise<readonly LogEntry[]> =>
      to < Math.max(1, from) ? Promise.resolve([]) : this.#log.between(id, Math.max(1, to - PORTION + 1), to);
    let next = portion(last);
    for (let to = last; to >= Math.max(1, from); to -= PORTION) {
      const entries = await next;
      signal.throwIfAborted();
      next = portion(to - PORTION); // read and opened while these are folded
      next.catch(() => undefined); // told where it is awaited, if it still is
      for (const entry of [...entries].reverse()) lines.push(...lineOf(entry, described));
    }
    signal.throwIfAborted();
    this.#keep(facts, lines);
    return lines;
  }

  #keep({ conversation: id, last, from }: Facts, lines: readonly Folded[]): void {
    this.#forget(id);
    const size = lines.reduce((sum, { text }) => sum + 2 * text.length, 0);
    if (this.#size + size > KEPT) return;
    this.#size += size;
    this.#kept.set(id, { last, from, lines, size });
  }
}

/** `described`: appointments whose newest description came already; an older one is not shown any more. */
function lineOf(entry: LogEntry, described: Set<MessageId>): readonly Folded[] {
  if (entry.type !== "envelope" || entry.retracted || entry.trimmed === true) return [];
  const said = entry.message?.content.said;
  const text = said?.type === "text" ? textOf(said.payload) : said?.type === "appointment" ? appointmentText(said.payload, entry.id, described) : null;
  return text === null ? [] : [{ id: entry.id, seq: entry.seq, at: entry.at, author: entry.author, text, folded: fold(text) }];
}

function textOf(payload: Payloads["text"]): string {
  const documents = payload.attachments.map(({ title, name }) => title || name);
  return [shownText(payload), ...documents].filter(Boolean).join("\n");
}

/** Null: nobody wrote a word in it, or none that is shown. */
function appointmentText(payload: AppointmentPayload, id: MessageId, described: Set<MessageId>): string | null {
  const act = actIn(payload);
  if (act === null) return null;
  const { appointment, fields } = act;
  if ("what" in fields) {
    if (described.has(appointment ?? id)) return null;
    described.add(appointment ?? id);
  }
  const { what, place, concerned, bring, wish, note } = fields as Written;
  return [what, concerned, wish, note, place, ...(bring ?? [])].filter(Boolean).join("\n") || null;
}

type Written = { readonly [K in "what" | "place" | "wish" | "note"]?: string } & { readonly concerned?: string | null; readonly bring?: readonly string[] };

/** Null for what a newer version says, and for what is no act. */
function actIn(payload: AppointmentPayload): ReturnType<typeof readAct> {
  try {
    return readAct(payload);
  } catch {
    return null;
  }
}
