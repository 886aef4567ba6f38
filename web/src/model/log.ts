/**
 * The logs of all conversations on this device. Events come in any portion (feed, socket, history); each portion goes
 * through the same phases: read what is known, fetch what is missing, open and verify, write once, tell. One writer at a
 * time over all tabs. A conversation that alarms is caged: it takes nothing in, the others go on.
 */

import type { Api } from "../api/client.ts";
import { Refused } from "../api/refusal.ts";
import type { ConversationDetail, DeliveryMark, Event, FeedEntry } from "../api/types.ts";
import type { Change, Platform } from "../platform/platform.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { Conversation } from "../protocol/conversation.ts";
import type { AccountId, ConversationId } from "../protocol/suite.ts";
import { checkTrimmed } from "../protocol/trimming.ts";
import type { Accounts } from "./accounts.ts";
import type { Changes } from "./changes.ts";
import { floorOf, read as readUpTo, type Facts } from "./facts.ts";
import { Intake, type Taken } from "./intake.ts";
import { isEnvelope, type LogEntry } from "./log_entry.ts";
import type { Openings } from "./opening.ts";
import { isAlarm } from "./refusals.ts";
import type { Sink } from "./sync.ts";
import type { Vault } from "./vault.ts";

const PAGE = 50; // events of a first look at a conversation
const CATCH_UP = 200;
const SUMMARIES = 100;
const AT_ONCE = 4;

export type LogParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly vault: Vault;
  readonly changes: Changes;
  readonly accounts: Accounts;
  readonly openings: Openings;
  readonly me: AccountId;
  /** Changes that forget what was pending and has now arrived. */
  readonly settled: (conversation: ConversationId, ids: ReadonlySet<string>) => Promise<readonly Change[]>;
};

export class Log implements Sink {
  readonly #parts: LogParts;
  readonly #intake: Intake;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.#intake = new Intake({ ...parts, now: () => parts.platform.clock.now() });
    parts.changes.watch((changed, here) => {
      if (changed.what !== "conversation" || here) return;
      parts.openings.forget(changed.conversation);
      this.#intake.forget(changed.conversation);
    });
  }

  // ---- reading

  facts(id: ConversationId): Promise<Facts | undefined> {
    return this.#parts.vault.read<Facts>("conversations", id);
  }

  /** All conversations known here. */
  all(): Promise<readonly Facts[]> {
    return this.#parts.vault.range<Facts>("conversations", "", "~");
  }

  /** The newest `count` entries before `before` (exclusive), ascending. */
  entries(id: ConversationId, before: number, count: number): Promise<readonly LogEntry[]> {
    return this.#parts.vault.range<LogEntry>("events", [id, 0], [id, before - 1], count);
  }

  /** The entries from one place to another (inclusive), ascending. */
  between(id: ConversationId, from: number, to: number): Promise<readonly LogEntry[]> {
    return this.#parts.vault.range<LogEntry>("events", [id, from], [id, to]);
  }

  async opened(id: ConversationId): Promise<Conversation> {
    const facts = await this.facts(id);
    if (facts === undefined) throw new ProtocolError("not_next", "a conversation that is not here");
    return this.#parts.openings.of(id, facts.records);
  }

  // ---- taking in

  async cursor(): Promise<number | null> {
    return (await this.#parts.vault.read<number>("own", "cursor")) ?? null;
  }

  /** Newest first; each is shown as soon as it is here. Safe to break off and begin again. */
  async begin(): Promise<number> {
    const { api, vault } = this.#parts;
    const { last } = await api.feed(0, 0, 1);
    let before: string | null = null;
    do {
      const page = await api.conversations(SUMMARIES, before);
      await inTurns(page.conversations, AT_ONCE, async ({ conversation, last_seq }) => {
        const facts = await this.facts(conversation);
        if (facts === undefined) await this.load(conversation);
        else if (facts.last < last_seq) await this.catchUp(conversation);
      });
      before = page.next ?? null;
    } while (before !== null);
    await vault.keep("own", "cursor", last);
    this.#parts.changes.tell({ what: "list" });
    return last;
  }

  async absorb(entries: readonly FeedEntry[]): Promise<number> {
    const position = entries.at(-1)?.position ?? (await this.cursor()) ?? 0;
    const byConversation = new Map<ConversationId, Event[]>();
    for (const { conversation, event } of entries) {
      byConversation.set(conversation, [...(byConversation.get(conversation) ?? []), event]);
    }
    return this.#writing(async () => {
      const changes: Change[] = [];
      for (const [id, events] of byConversation) changes.push(...(await this.#take(id, events)));
      changes.push(await this.#parts.vault.put("own", "cursor", position));
      await this.#commit(changes, [...byConversation.keys()]);
      return position;
    });
  }

  /** A conversation that is new to this device: its records, its newest page. */
  async load(id: ConversationId): Promise<void> {
    const changes = await this.#fresh(id);
    await this.#writing(async () => {
      // Another tab, or the feed, may have been quicker.
      if ((await this.facts(id)) === undefined) await this.#commit(changes, [id]);
    });
  }

  /** What happened since the last entry here; also how a refused epoch or a gap is healed. */
  async catchUp(id: ConversationId): Promise<void> {
    await this.#writing(async () => {
      await this.#commit(await this.#take(id, []), [id]);
    });
  }

  /** `count` (at most 200) events of history before what is here; false when there is none. */
  async older(id: ConversationId, count: number): Promise<boolean> {
    return this.#writing(async () => {
      const facts = await this.facts(id);
      if (facts === undefined || facts.complete || facts.from <= floorOf(facts)) return false;
      const { events } = await this.#parts.api.eventsBefore(id, facts.from, count);
      const conversation = await this.#parts.openings.of(id, facts.records);
      const { facts: known, entries } = await this.#intake.history(facts, conversation, events);
      const from = entries[0]?.seq ?? facts.from;
      const next: Facts = { ...known, from, complete: from <= floorOf(facts) || events.length === 0 };
      await this.#commit(await this.#changes(next, entries), [id]);
      // What is gone was let go meanwhile, and the log says so, or it is withheld.
      if ((next.bare ?? []).length > 0) await this.#commit(await this.#take(id, []), [id]);
      return entries.length > 0;
    });
  }

  /** Somebody has looked at the alarm (or the server was mended): try once more from where we stopped. */
  async retry(id: ConversationId): Promise<void> {
    await this.#writing(async () => {
      const facts = await this.facts(id);
      this.#parts.openings.forget(id);
      const changes = facts === undefined ? await this.#fresh(id) : await this.#advance({ ...facts, alarm: null }, []);
      await this.#commit(changes, [id]);
    });
  }

  async mark({ conversation, account, delivered }: DeliveryMark): Promise<void> {
    await this.amend(conversation, (facts) =>
      (facts.delivered[account] ?? 0) >= delivered
        ? facts
        : { ...facts, delivered: { ...facts.delivered, [account]: delivered } },
    );
  }

  async readUpTo(id: ConversationId, seq: number): Promise<void> {
    await this.amend(id, (facts) => readUpTo(facts, seq));
  }

  /** Invitations and delivery as the server tells them now: hints and public keys, no history. */
  async refreshDetail(id: ConversationId): Promise<void> {
    const detail = await this.#parts.api.conversation(id);
    await this.amend(id, (facts) => withDetail(facts, detail));
  }

  async amend(id: ConversationId, change: (facts: Facts) => Facts): Promise<void> {
    await this.#writing(async () => {
      const facts = await this.facts(id);
      const next = facts === undefined ? undefined : change(facts);
      if (next === undefined || next === facts) return;
      await this.#commit([await this.#parts.vault.put("conversations", id, next)], [id]);
    });
  }

  // ---- phases

  #writing<T>(work: () => Promise<T>): Promise<T> {
    return this.#parts.platform.tabs.exclusive("log", work);
  }

  async #commit(changes: readonly Change[], conversations: readonly ConversationId[]): Promise<void> {
    await this.#parts.vault.write(changes);
    this.#parts.changes.tell(...conversations.map((conversation) => ({ what: "conversation", conversation }) as const));
  }

  async #take(id: ConversationId, events: readonly Event[]): Promise<readonly Change[]> {
    const facts = await this.facts(id);
    if (facts === undefined) return this.#fresh(id);
    return facts.alarm === null ? this.#advance(facts, events) : [];
  }

  async #advance(facts: Facts, events: readonly Event[]): Promise<readonly Change[]> {
    const before: Taken = { facts, entries: [] };
    const given = events.filter(({ seq }) => seq > facts.last);
    const whole = given.length === 0 || !isGapless(given, facts.last) || given.some(isBare); // then the reason is wanted
    const fresh = whole ? await this.#missing(facts, given) : given;
    const known = await this.#caged(before, () => this.#withRecords(facts, fresh));
    if ("facts" in known) return this.#changes(known.facts, []);
    const conversation = await this.#caged(before, () => this.#parts.openings.of(facts.conversation, known.records));
    if ("facts" in conversation) return this.#changes(conversation.facts, []);
    const taken = await this.#intake.news(known, conversation, fresh, whole && isGapless(fresh, facts.last));
    return this.#changes(taken.facts, taken.entries);
  }

  /** Everything after what is here; for who was removed, what was given before a gap. */
  async #missing(facts: Facts, given: readonly Event[]): Promise<readonly Event[]> {
    const all: Event[] = [];
    try {
      for (let after = facts.last; ; ) {
        const page = await this.#parts.api.eventsAfter(facts.conversation, after, CATCH_UP);
        all.push(...page.events);
        after = page.events.at(-1)?.seq ?? page.last_seq;
        if (page.events.length === 0 || after >= page.last_seq) return all;
      }
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "not_found") throw error;
      return given.filter(({ seq }, i) => seq === facts.last + 1 + i);
    }
  }

  /**
   * Who was away and is let in again needs the records of that time first: with them what was said meanwhile opens, or
   * (joined without the history) is left out rightly; the intake judges the gap.
   */
  async #withRecords(facts: Facts, events: readonly Event[]): Promise<Facts> {
    const epochs = events.filter((event) => event.type === "epoch");
    const away = facts.people.some(({ id, standing }) => id === this.#parts.me && standing === "left");
    const gapless = isGapless(events, facts.last);
    const letIn = epochs.length > 0 && epochs.at(-1)?.box !== null;
    if (!letIn || (gapless && !away && epochs.length === 1)) return facts;
    const records = await this.#records(facts.conversation, events);
    const same = facts.records.every(({ record }, i) => records[i]?.record === record);
    if (!same) throw new ProtocolError("fork", "another record of a known epoch");
    if (gapless) return { ...facts, records };
    const { policy } = await this.#parts.api.conversation(facts.conversation);
    return { ...facts, records, policy, right: null };
  }

  async #fresh(id: ConversationId): Promise<readonly Change[]> {
    const { api } = this.#parts;
    const detail = await api.conversation(id);
    const { events } = await api.eventsBefore(id, detail.last_seq + 1, PAGE);
    const records = await this.#records(id, events);
    const all = emptyFacts(detail, records);
    const before: Taken = { facts: all, entries: [] };
    const conversation = await this.#caged(before, () => this.#parts.openings.of(id, records));
    if ("facts" in conversation) return this.#changes(conversation.facts, []);
    const { facts, entries } = await this.#intake.news(all, conversation, events, true);
    // The server counts what is unread before this page too.
    const counted: Facts = { ...facts, unread: detail.unread, readSeq: detail.read_seq };
    const told = await this.#caged({ facts: counted, entries }, () => this.#begun(counted, detail));
    const known = "facts" in told ? told.facts : { ...counted, ...told };
    return this.#changes({ ...known, complete: facts.from <= floorOf(known) || events.length === 0 }, entries);
  }

  /** Where the log begins, as its events say it or, for a page that begins later, as the server says beside it. */
  async #begun(facts: Facts, { trimmed, last_seq }: ConversationDetail): Promise<Pick<Facts, "trimmed">> {
    const own = facts.trimmed ?? null;
    const told = trimmed ?? null;
    if (facts.last <= last_seq) checkTrimmed(own, told, Math.max(1, facts.from), this.#parts.platform.clock.now());
    return Promise.resolve({ trimmed: own ?? told });
  }

  async #records(id: ConversationId, events: readonly Event[]): Promise<Facts["records"]> {
    const newest = Math.max(0, ...events.map((event) => (event.type === "epoch" ? event.epoch : 0)));
    const records: Facts["records"][number][] = [];
    for (;;) {
      const page = await this.#parts.api.epochs(id, records.length);
      records.push(...page.map(({ record, box, seq }) => ({ record, box, seq })));
      if (page.length === 0 || records.length >= newest) return records;
    }
  }

  /** An alarm stays inside its conversation; a network failure is everybody's. */
  async #caged<T extends object>(taken: Taken, attempt: () => Promise<T>): Promise<T | Taken> {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ProtocolError) && !isAlarm(error)) throw error;
      return { ...taken, facts: { ...taken.facts, alarm: error instanceof ProtocolError ? error.code : "fork" } };
    }
  }

  async #changes(facts: Facts, entries: readonly LogEntry[]): Promise<readonly Change[]> {
    const { vault, settled } = this.#parts;
    const id = facts.conversation;
    return [
      await vault.put("conversations", id, facts),
      ...(await Promise.all(entries.map((entry) => vault.put("events", [id, entry.seq], entry)))),
      ...(await settled(id, new Set(entries.filter(isEnvelope).map((entry) => entry.id)))),
    ];
  }
}

function emptyFacts(detail: ConversationDetail, records: Facts["records"]): Facts {
  return withDetail(
    {
      conversation: detail.conversation,
      records,
      invitations: [],
      subject: "",
      people: [],
      named: 0,
      from: 0,
      last: 0,
      lastAt: detail.last_at,
      complete: false,
      heads: [],
      recent: [],
      policy: detail.policy,
      right: null,
      delivered: {},
      readSeq: detail.read_seq,
      unread: detail.unread,
      newest: null,
      mine: null,
      reads: {},
      alarm: null,
    },
    detail,
  );
}

function withDetail(facts: Facts, detail: ConversationDetail): Facts {
  const delivered = Object.fromEntries(detail.delivered.map(({ account, seq }) => [account, seq]));
  return { ...facts, invitations: detail.invitations, delivered: { ...facts.delivered, ...delivered } };
}

function isBare(event: Event): boolean {
  return event.type === "envelope" && event.envelope === null;
}

function isGapless(events: readonly Event[], last: number): boolean {
  return events.every(({ seq }, i) => seq === last + 1 + i);
}

/** `work` on each, a few at a time. */
async function inTurns<T>(all: readonly T[], width: number, work: (one: T) => Promise<void>): Promise<void> {
  const rest = [...all];
  const lane = async (): Promise<void> => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
