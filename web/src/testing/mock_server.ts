/**
 * A server in memory, answering as docs/spec/api.md says for the calls that the races need. It believes what it is told
 * (the protocol's checks are the client's affair here) and does what a test asks: refuse, lose the answer, hold, lie.
 */

import type * as T from "../api/types.ts";
import type { Http, Live, LiveHandlers, LiveSocket } from "../platform/platform.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { messageId } from "../protocol/envelope.ts";
import { readRecord } from "../protocol/epoch_record.ts";
import { linkHash } from "../protocol/link.ts";
import { ok, refuse, respond, serverInfo, waitFor, type Answer, type Trick } from "./mock_answers.ts";

type Session = { who: string | null; holder: string };
type Asked = { readonly method: string; readonly path: string; readonly query: URLSearchParams; readonly body: unknown; readonly who: string | null };

type Account = {
  readonly id: string;
  links: string[];
  boxes: T.HolderBox[];
  previous: T.PreviousSecret[];
  feed: T.FeedEntry[];
  acknowledged: number;
  role: "professional" | "patient";
  /** Opened the newest session. */
  holder: string;
};

type Conversation = {
  readonly id: string;
  epochs: { epoch: number; seq: number; record: string; members: string[]; boxes: Map<string, string> }[];
  events: T.Event[];
  readonly invitations: readonly T.InvitationRow[];
  accepted: Map<string, T.Accepted>;
  policy: T.Policy;
  trimmed?: T.Trimmed;
};

export class MockServer {
  readonly accounts = new Map<string, Account>();
  readonly conversations = new Map<string, Conversation>();
  /** "METHOD /path" of every call that reached us. */
  readonly calls: string[] = [];
  readonly sockets = new Set<{ readonly who: string; readonly handlers: LiveHandlers }>();
  socketsWork = true;
  registryKey = b64(new Uint8Array(32).fill(9));
  readonly shut = new Set<string>();
  /** What a shut holder is told of its end: the links after the position it knows. */
  ending: (links: readonly string[], after: number) => readonly string[] = (links, after) => links.slice(after + 1);
  readonly #tricks: { trick: Trick; left: number }[] = [];
  readonly #holders = new Map<string, string>();
  now = 1_800_000_000_000;

  trick(trick: Trick): void {
    this.#tricks.push({ trick, left: trick.times });
  }

  /** An account whose links are known to everybody; `holders` may open sessions. */
  async enter(links: readonly Uint8Array<ArrayBuffer>[], boxes: readonly T.HolderBox[], role: Account["role"]): Promise<string> {
    const [genesis] = links;
    if (genesis === undefined) throw new Error("no genesis");
    const id = await linkHash(genesis);
    const account: Account = { id, links: links.map((link) => b64(link)), boxes: [...boxes], previous: [], feed: [], acknowledged: 0, role, holder: "" };
    this.accounts.set(id, account);
    for (const { holder } of boxes) this.#holders.set(holder, id);
    return id;
  }

  /** The network of one browser. */
  browser(): { readonly http: Http; readonly live: Live } {
    const session: Session = { who: null, holder: "" };
    const http: Http = { origin: "https://pli.test", fetch: (path, init) => this.#fetch(path, init, session) };
    const live: Live = { connect: (auth, handlers) => this.#connect(session.who ?? "", Number(auth["after"]), handlers) };
    return { http, live };
  }

  count(call: RegExp): number {
    return this.calls.filter((one) => call.test(one)).length;
  }

  envelopes(conversation: string): readonly T.EnvelopeEvent[] {
    const { events } = this.#conversation(conversation);
    return events.filter((event): event is T.EnvelopeEvent => event.type === "envelope");
  }

  // ---- one call

  async #fetch(target: string, init: RequestInit, session: Session): Promise<Response> {
    if (this.shut.has(session.holder)) session.who = null;
    const url = new URL(target, "https://pli.test");
    const method = init.method ?? "GET";
    const name = `${method} ${url.pathname}`;
    this.calls.push(name);
    const bearer = new Headers(init.headers).has("Authorization"); // a session of its own, beside the cookie's
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
    const asked = { method, path: url.pathname, query: url.searchParams, body, who: session.who };
    return respond(await this.#tricked(name, () => this.#answer(asked, bearer ? { who: null, holder: "" } : session, init.signal ?? null)));
  }

  async #tricked(name: string, answer: () => Promise<Answer>): Promise<Answer> {
    const found = this.#tricks.find(({ trick, left }) => left > 0 && trick.on.test(name));
    if (found === undefined) return answer();
    found.left -= 1;
    const { trick } = found;
    await trick.hold;
    if (trick.lose === "request") throw new TypeError("lost");
    const given = trick.answer ?? (await answer());
    if (trick.lose === "answer") throw new TypeError("lost");
    return given;
  }

  async #answer(asked: Asked, session: Session, signal: AbortSignal | null): Promise<Answer> {
    const [, , first = "", second = "", third = ""] = asked.path.split("/");
    const rooms: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
      server: () => ok(serverInfo(this.registryKey, this.now)),
      sessions: () => this.#sessions(asked, second, session),
      me: () => this.#me(asked, second),
      accounts: () => this.#chain(second, asked.query),
      conversations: () => (second === "" ? this.#conversationsOf(asked) : this.#conversationCall(asked, second, third)),
      feed: () => this.#feed(asked, second, signal),
      live: () => ok({ ticket: "t", expires: this.now }, 201),
    };
    return rooms[first]?.() ?? refuse(404, "not_found");
  }

  #sessions(asked: Asked, second: string, session: Session): Answer {
    if (second === "challenges") return ok({ challenge: b64(new Uint8Array(32)), expires: this.now + 60_000 }, 201);
    if (asked.method === "DELETE") {
      session.who = null;
      return { status: 204 };
    }
    const { holder } = asked.body as T.SessionRequest;
    const who = this.#holders.get(holder) ?? null;
    if (who === null || this.shut.has(holder) !== (second === "ended")) return refuse(401, "signature_refused");
    if (second === "ended") return ok({ links: this.ending(this.accounts.get(who)?.links ?? [], (asked.body as T.EndRequest).after) });
    return this.#begin(asked.body as T.SessionRequest, who, session);
  }

  #begin({ holder, cookie }: T.SessionRequest, who: string, session: Session): Answer {
    const account = this.accounts.get(who);
    if (cookie) Object.assign(session, { who, holder });
    if (account !== undefined && cookie) account.holder = holder;
    return ok({ token: cookie ? null : "token", account: who, expires: this.now + 3_600_000 }, 201);
  }

  async #me(asked: Asked, second: string): Promise<Answer> {
    const account = asked.who === null ? undefined : this.accounts.get(asked.who);
    if (account === undefined) return refuse(401, "unauthenticated");
    return second === "chain" ? this.#extend(account, asked.body as T.ChainUpdate) : ok(await this.#told(account));
  }

  async #extend(account: Account, { links, boxes, previous }: T.ChainUpdate): Promise<Answer> {
    account.links.push(...links);
    account.boxes.push(...boxes);
    account.previous.push(...previous);
    for (const { holder } of boxes) this.#holders.set(holder, account.id);
    return ok({ position: account.links.length - 1, head: await headOf(account) });
  }

  /** Sessions of any holder get the box of the holder that opened the last one. */
  async #told(account: Account): Promise<T.Me> {
    const box = account.boxes.findLast(({ holder }) => holder === account.holder);
    return {
      account: account.id,
      holder: account.holder,
      role: account.role,
      position: account.links.length - 1,
      head: await headOf(account),
      generation: 1,
      box: box?.box ?? null,
      box_generation: box?.generation ?? null,
      previous: account.previous,
      settings: { accepts_patients: false, language: null },
    };
  }

  async #chain(id: string, query: URLSearchParams): Promise<Answer> {
    const account = this.accounts.get(id);
    if (account === undefined) return refuse(404, "not_found");
    const after = Number(query.get("after") ?? -1);
    return ok({ links: account.links.slice(after + 1), position: account.links.length - 1, head: await headOf(account) });
  }

  #conversationsOf(asked: Asked): Answer | Promise<Answer> {
    if (asked.method === "POST") return this.#create(asked.body as T.NewConversation);
    const mine = [...this.conversations.values()].filter(({ epochs }) => epochs.at(-1)?.members.includes(asked.who ?? ""));
    return ok({ conversations: mine.map((one) => this.#summary(one, asked.who ?? "")) });
  }

  async #create(made: T.NewConversation): Promise<Answer> {
    const record = await readRecord(unb64(made.record));
    if (!this.conversations.has(record.hash)) {
      const policy = { reply: "open", until: null, by: null } as const;
      this.conversations.set(record.hash, { id: record.hash, epochs: [], events: [], invitations: [], accepted: new Map(), policy });
      await this.addEpoch(record.hash, made);
    }
    const message = made.envelope === null ? null : await this.#submit(this.#conversation(record.hash), made.envelope, record.author);
    return ok({ conversation: record.hash, epoch: 1, seq: 1, message }, 201);
  }

  /** Accept a record without asking anybody. */
  async addEpoch(id: string, made: T.NewEpoch): Promise<number> {
    const conversation = this.#conversation(id);
    const record = await readRecord(unb64(made.record));
    const seq = conversation.events.length + 1;
    const members = record.members.map((member) => member.id);
    const boxes = new Map(made.boxes.map(({ member, box }) => [member, box]));
    conversation.epochs.push({ epoch: record.epoch, seq, record: made.record, members, boxes });
    this.#log(conversation, { seq, at: this.#tick(), type: "epoch", epoch: record.epoch, record: made.record, box: null, author: record.author });
    return seq;
  }

  async #conversationCall(asked: Asked, id: string, third: string): Promise<Answer> {
    const conversation = this.conversations.get(id);
    const who = asked.who ?? "";
    if (conversation?.epochs.at(-1)?.members.includes(who) !== true) return refuse(404, "not_found");
    switch (`${asked.method} ${third}`) {
      case "GET ":
        return ok({ ...this.#summary(conversation, who), delivered: [], invitations: conversation.invitations });
      case "GET epochs":
        return ok({ epochs: conversation.epochs.slice(Number(asked.query.get("after"))).map((one) => rowOf(one, who)) });
      case "GET events":
        return this.#events(conversation, asked.query, who);
      case "POST envelopes":
        return this.#envelope(conversation, asked.body as T.Submission, who);
      case "POST epochs":
        return this.#epoch(conversation, asked.body as T.NewEpoch);
      default:
        return refuse(405, "method_not_allowed");
    }
  }

  async #epoch(conversation: Conversation, made: T.NewEpoch): Promise<Answer> {
    const { epoch } = await readRecord(unb64(made.record));
    if (epoch !== conversation.epochs.length + 1) return refuse(409, "stale_epoch", { epoch: conversation.epochs.length });
    return ok({ epoch, seq: await this.addEpoch(conversation.id, made) }, 201);
  }

  #events(conversation: Conversation, query: URLSearchParams, who: string): Answer {
    const limit = Number(query.get("limit") ?? 200);
    const after = query.get("after");
    const all = conversation.events.map((event) => this.#seenBy(event, conversation, who));
    const events =
      after === null
        ? all.filter(({ seq }) => seq < Number(query.get("before"))).slice(-limit)
        : all.filter(({ seq }) => seq > Number(after)).slice(0, limit);
    return ok({ events, last_seq: conversation.events.length });
  }

  async #envelope(conversation: Conversation, submission: T.Submission, who: string): Promise<Answer> {
    const known = conversation.accepted.get(await messageId(unb64(submission.envelope)));
    if (known !== undefined) return ok(known);
    const epoch = new DataView(unb64(submission.envelope).buffer).getUint32(18);
    if (epoch !== conversation.epochs.length) return refuse(409, "stale_epoch", { epoch: conversation.epochs.length });
    return ok(await this.#submit(conversation, submission, who), 201);
  }

  async #submit(conversation: Conversation, submission: T.Submission, author: string): Promise<T.Accepted> {
    const id = await messageId(unb64(submission.envelope));
    const known = conversation.accepted.get(id);
    if (known !== undefined) return known;
    const seq = conversation.events.length + 1;
    const accepted = { id, seq, state: "accepted", at: this.#tick() } as const;
    conversation.accepted.set(id, accepted);
    const { envelope, kind, attachments } = submission;
    this.#log(conversation, { seq, at: accepted.at, type: "envelope", id, kind, author, epoch: conversation.epochs.length, envelope, attachments });
    return accepted;
  }

  /** Put an event of one's own choosing into the log: how a server lies. */
  inject(id: string, event: (seq: number, at: number) => T.Event): void {
    const conversation = this.#conversation(id);
    this.#log(conversation, event(conversation.events.length + 1, this.#tick()));
  }

  /** Deny the first event of this kind to everybody from now on. */
  hide(id: string, which: (event: T.Event) => boolean): void {
    const conversation = this.#conversation(id);
    const hidden = conversation.events.find(which);
    conversation.events = conversation.events.filter((event) => event !== hidden);
    for (const account of this.accounts.values()) {
      const rest = account.feed.filter(({ event }) => event.seq !== hidden?.seq);
      account.feed = rest.map((entry, i) => ({ ...entry, position: i + 1 }));
    }
  }

  // ---- feed and live

  async #feed(asked: Asked, second: string, signal: AbortSignal | null): Promise<Answer> {
    const account = asked.who === null ? undefined : this.accounts.get(asked.who);
    if (account === undefined) return refuse(401, "unauthenticated");
    if (second === "ack") {
      account.acknowledged = Math.max(account.acknowledged, (asked.body as { position: number }).position);
      return { status: 204 };
    }
    const after = Number(asked.query.get("after"));
    const page = (): readonly T.FeedEntry[] =>
      account.feed.filter(({ position }) => position > after).slice(0, Number(asked.query.get("limit")));
    if (Number(asked.query.get("wait")) > 0) await waitFor(() => page().length > 0 || signal?.aborted === true);
    if (signal?.aborted === true) throw new DOMException("aborted", "AbortError");
    const events = page();
    return ok({ events, position: events.at(-1)?.position ?? after, ...edges(account.feed) });
  }

  #connect(who: string, after: number, handlers: LiveHandlers): LiveSocket {
    const socket = { who, handlers };
    setTimeout(() => {
      if (!this.socketsWork) {
        handlers.closed();
        return;
      }
      this.sockets.add(socket);
      handlers.opened();
      const missed = this.accounts.get(who)?.feed.filter(({ position }) => position > after) ?? [];
      for (const entry of missed) handlers.event("event", entry);
    }, 0);
    return {
      emit: (name, body) => {
        this.calls.push(`SOCKET ${name} ${JSON.stringify(body)}`);
        const account = this.accounts.get(who);
        if (name === "ack" && account !== undefined) account.acknowledged = (body as { position: number }).position;
      },
      close: () => {
        this.sockets.delete(socket);
      },
    };
  }

  cutSockets(): void {
    for (const socket of [...this.sockets]) {
      this.sockets.delete(socket);
      socket.handlers.closed();
    }
  }

  /** While set, entries are in the feed but are not pushed: a live gap. */
  silent = false;

  #log(conversation: Conversation, event: T.Event): void {
    conversation.events.push(event);
    for (const member of conversation.epochs.at(-1)?.members ?? []) {
      const account = this.accounts.get(member);
      if (account === undefined) continue;
      const entry = { position: (account.feed.at(-1)?.position ?? 0) + 1, conversation: conversation.id, event: this.#seenBy(event, conversation, member) };
      account.feed.push(entry);
      if (this.silent) continue;
      for (const socket of this.sockets) if (socket.who === member) socket.handlers.event("event", entry);
    }
  }

  #seenBy(event: T.Event, conversation: Conversation, who: string): T.Event {
    if (event.type !== "epoch") return event;
    return { ...event, box: conversation.epochs[event.epoch - 1]?.boxes.get(who) ?? null };
  }

  #summary(conversation: Conversation, who: string): T.Summary {
    const head = conversation.epochs.at(-1);
    return {
      conversation: conversation.id,
      epoch: head?.epoch ?? 0,
      record: head?.record ?? "",
      box: head?.boxes.get(who) ?? null,
      last_seq: conversation.events.length,
      last_at: conversation.events.at(-1)?.at ?? 0,
      read_seq: 0,
      unread: conversation.events.filter((one) => one.type === "envelope" && one.kind === "message" && one.author !== who).length,
      policy: conversation.policy,
      may_reply: true,
      trimmed: conversation.trimmed ?? null,
    };
  }

  #conversation(id: string): Conversation {
    const conversation = this.conversations.get(id);
    if (conversation === undefined) throw new Error("no such conversation");
    return conversation;
  }

  #tick(): number {
    this.now += 1_000;
    return this.now;
  }
}

function rowOf({ epoch, seq, record, boxes }: Conversation["epochs"][number], who: string): T.EpochRow {
  return { epoch, seq, record, box: boxes.get(who) ?? null };
}

function edges(feed: readonly T.FeedEntry[]): Pick<T.FeedPage, "first" | "last"> {
  return { first: feed[0]?.position ?? 1, last: feed.at(-1)?.position ?? 0 };
}

function headOf(account: Account): Promise<string> {
  return linkHash(unb64(account.links.at(-1) ?? ""));
}
