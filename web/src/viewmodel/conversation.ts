/** (5) One conversation: the newest page at once, older ones on demand, everything live. */

import type { Client } from "../model/client.ts";
import { floorOf, type Facts } from "../model/facts.ts";
import type { Home } from "../model/home.ts";
import type { KeptInvitation } from "../model/invited.ts";
import { isEnvelope, type LogEntry } from "../model/log_entry.ts";
import type { Pending } from "../model/pending.ts";
import { plainLine } from "../model/plain_line.ts";
import { ComposerBox } from "./composer.ts";
import { EMPTY, invitationState, recipientOf } from "./conversation_state.ts";
import { Members } from "./members.ts";
import { Observable } from "./observable.ts";
import {
  alarmOf,
  isProfessional,
  mayWrite,
  personIn,
  personOf,
  problemOf,
  replyRightOf,
  replySentence,
} from "./presenting.ts";
import { Reading } from "./reading.ts";
import { shownInvitation } from "./shown_invitation.ts";
import { goneWith, timeline } from "./timeline.ts";
import type {
  ConversationModel,
  ConversationState,
  DocumentCard,
  InvitationToShow,
  OpenedDocument,
} from "./types.ts";

const PAGE = 50; // entries
const STRIDE = 200; // entries at most that one step back adds
const CALM = 30; // milliseconds in which changes are taken together
const UNDO = 10; // seconds
const SEEN_AFTER = 700; // milliseconds that a message stays in sight before it counts as read
const AROUND = 10; // entries shown before those that are new

export class ConversationView implements ConversationModel {
  readonly state: Observable<ConversationState>;
  readonly composer: ComposerBox;
  readonly members: Members;
  readonly #home: Home;
  readonly #id: string;
  readonly #reading: Reading;
  readonly #stop: () => void;
  readonly #gone: () => void;
  readonly #documents = new Map<string, DocumentCard["state"]>();
  #facts: Facts | null = null;
  #entries: readonly LogEntry[] = [];
  #pending: readonly Pending[] = [];
  #window = PAGE;
  #unreadAfter: number | null = null;
  #held: string | null = null;
  #timers = new Map<string, () => void>();

  /** `gone`: the person has left this conversation. */
  constructor(client: Client, home: Home, id: string, gone: () => void) {
    this.#home = home;
    this.#id = id;
    this.#gone = gone;
    this.composer = new ComposerBox({
      attachments: () => home.attachments,
      now: () => home.now(),
      professional: home.professional,
      changed: (text) => {
        this.#after("draft", 400, () => home.keepDraft(id, text));
      },
    });
    this.members = new Members(client, home, id);
    this.#reading = new Reading({
      home,
      conversation: id,
      facts: () => this.#facts,
      entries: () => this.#entries,
      wait: (run) => {
        if (!this.#timers.has("seen")) this.#after("seen", SEEN_AFTER, run);
      },
      failed: this.#fail,
    });
    this.state = new Observable(EMPTY);
    this.#stop = home.ground.changes.watch((changed) => {
      if (changed.what === "conversation" && changed.conversation === id) this.#after("load", CALM, () => this.#load());
      if (changed.what === "outbox" && changed.conversation === id) this.#after("load", CALM, () => this.#load());
    });
    void this.#begin();
  }

  async older(): Promise<void> {
    if (this.state.value.older !== "available") return;
    this.state.patch({ older: "loading" });
    // Longer steps the further one goes: each reads again what is already shown.
    const step = Math.min(this.#window, STRIDE);
    this.#window += step;
    const here = await this.#home.log.entries(this.#id, this.#entries[0]?.seq ?? 0, 1);
    if (here.length === 0) await this.#home.log.older(this.#id, step).catch(this.#fail);
    await this.#load();
  }

  /** Show the entries down to the one at `seq`, which lies on this device. */
  async reach(seq: number): Promise<void> {
    const wanted = (this.#facts?.last ?? seq) - seq + AROUND;
    if (wanted <= this.#window) return;
    this.#window = wanted;
    await this.#load();
  }

  seen(newest: string): void {
    const shown = this.state.value.entries;
    const above = new Set(shown.slice(0, shown.findIndex(({ id }) => id === newest) + 1).map(({ id }) => id));
    const lowest = this.#entries.filter(isEnvelope).findLast(({ id }) => above.has(id));
    if (lowest !== undefined) this.#reading.saw(lowest.seq);
  }

  send(): void {
    const written = this.composer.take();
    if (written === null) return;
    const hold = this.#home.professional ? UNDO : 0;
    const intent = {
      said: { type: "text", payload: written.payload } as const,
      attachments: written.attachments,
      reply: written.reply,
      readSeq: null,
    };
    this.state.patch({ send: { name: "busy" } });
    void this.#home.say(this.#id, intent, hold * 1_000).then(
      (pending) => {
        if (hold === 0) this.state.patch({ send: { name: "ready" } });
        else this.#countDown(pending.id, hold);
      },
      (error: unknown) => {
        this.composer.restore(written.payload);
        this.state.patch({ send: { name: "ready" } });
        this.#fail(error);
      },
    );
  }

  sendNow(): void {
    const held = this.#release();
    if (held !== null) void this.#home.outbox.hurry(this.#id, held);
  }

  undo(): void {
    const held = this.#release();
    if (held !== null) void this.takeBack(held);
  }

  retract(message: string): Promise<void> {
    return this.#try(() => this.#home.retract(this.#id, message));
  }

  resend(message: string): Promise<void> {
    return this.#try(() => this.#home.outbox.hurry(this.#id, message));
  }

  async takeBack(message: string): Promise<void> {
    await this.#try(async () => {
      const pending = await this.#home.outbox.takeBack(this.#id, message);
      if (pending?.intent.said.type === "text") this.composer.restore(pending.intent.said.payload);
    });
  }

  correct(message: string): void {
    const entry = this.#entries.filter(isEnvelope).find(({ id }) => id === message);
    const said = entry?.message?.content.said;
    if (said?.type === "text") this.composer.restore({ ...said.payload, attachments: [], replaces: message });
  }

  end(reason: string): Promise<void> {
    const said = { type: "end", payload: { text: reason } } as const;
    return this.#try(async () => {
      await this.#home.say(this.#id, { said, attachments: [], reply: null, readSeq: null });
    });
  }

  leave(): Promise<void> {
    return this.#try(async () => {
      await this.#home.leave(this.#id);
      this.#gone();
    });
  }

  async openDocument(message: string, document: string): Promise<OpenedDocument> {
    const reference = this.#reference(message, document);
    const show = (state: DocumentCard["state"]): void => {
      this.#documents.set(document, state);
      this.#show();
    };
    show({ name: "loading", progress: 0 });
    try {
      const progress = (share: number): void => {
        show({ name: "loading", progress: share });
      };
      const bytes = await this.#home.document(this.#id, reference, progress).catch(goneWith(message, this.#facts, this.#entries));
      show({ name: "closed" });
      this.#reading.opened(message, document);
      return { name: plainLine(reference.name), mediaType: reference.media_type, bytes };
    } catch (error) {
      show({ name: "failed", problem: problemOf(error) });
      throw error;
    }
  }

  async saveDocument(message: string, document: string): Promise<void> {
    const opened = await this.openDocument(message, document).catch(() => null); // its card says why
    if (opened !== null) this.#home.ground.platform.save(opened.name, opened.mediaType, new Uint8Array(opened.bytes));
  }

  renewInvitation(): Promise<InvitationToShow | null> {
    return this.#letter((facts) => this.#home.reinvite(facts, () => undefined));
  }

  showInvitation(): Promise<InvitationToShow | null> {
    return this.#letter((facts) => this.#home.invitation(facts));
  }

  retry(): void {
    void this.#try(() => this.#home.log.retry(this.#id));
  }

  dispose(): void {
    this.#stop();
    this.members.dispose();
    for (const cancel of this.#timers.values()) cancel();
    // A message in its undo time leaves with its time, also when nobody looks on.
  }

  async #begin(): Promise<void> {
    const draft = await this.#home.draft(this.#id).catch(() => "");
    if (draft !== "" && this.composer.state.value.text === "") this.composer.write(draft);
    await this.#load();
    if (this.#facts === null) await this.#try(() => this.#home.log.load(this.#id));
    else await this.#home.log.refreshDetail(this.#id).catch(() => undefined);
  }

  async #load(): Promise<void> {
    try {
      const facts = await this.#home.log.facts(this.#id);
      if (this.#facts === null && facts !== undefined) await this.#arrive(facts);
      const [entries, pending] = await Promise.all([
        this.#home.log.entries(this.#id, Number.MAX_SAFE_INTEGER, this.#window),
        this.#home.outbox.of(this.#id),
      ]);
      this.#facts = facts ?? null;
      this.#entries = entries;
      this.#pending = pending;
      this.#show();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The person comes in: the line before what is new stays where it is now, and its surroundings are fetched if they are few. */
  async #arrive(facts: Facts): Promise<void> {
    if (facts.unread === 0) return;
    this.#unreadAfter = facts.readSeq;
    const wanted = facts.last - facts.readSeq + AROUND;
    if (wanted <= PAGE || wanted > STRIDE) return;
    this.#window = wanted;
    const missing = wanted - (facts.last - facts.from + 1);
    if (missing > 0) await this.#home.log.older(this.#id, missing).catch(() => undefined);
  }

  #show(): void {
    const facts = this.#facts;
    if (facts === null) return;
    this.members.show(facts);
    const now = this.#home.now();
    const me = personIn(facts, this.#home.account, this.#home.account);
    const people = facts.people.map((fact) => personOf(fact, this.#home.account));
    const reply = replyRightOf(facts, now, this.#home.account);
    const professional = isProfessional(me);
    this.state.patch({
      loading: false,
      subject: facts.subject,
      me,
      people,
      recipient: recipientOf(people, professional),
      reply,
      replySentence: replySentence(reply, professional),
      mayWrite: facts.alarm === null && mayWrite(me, reply),
      mayEnd: facts.alarm === null && professional && reply.name !== "ended",
      mayChangeMembers: facts.alarm === null && me?.role === "owner",
      entries: timeline({
        facts,
        me: this.#home.account,
        entries: this.#entries,
        pending: this.#pending.filter(({ id }) => id !== this.#held),
        progress: (pending) => this.#home.outbox.progress(pending),
        unreadAfter: this.#unreadAfter,
        documents: this.#documents,
      }),
      older: this.#entries.length >= this.#window || !(facts.complete || facts.from <= floorOf(facts)) ? "available" : "none",
      invitation: invitationState(facts, now),
      alarm: alarmOf(facts),
    });
  }

  #countDown(pending: string, seconds: number): void {
    this.#held = pending;
    const tick = (left: number): void => {
      if (this.#held !== pending) return;
      if (left <= 0) {
        this.#release();
        this.#show();
        return;
      }
      this.state.patch({ send: { name: "undoable", seconds: left } });
      this.#after("undo", 1_000, () => {
        tick(left - 1);
      });
    };
    tick(seconds);
  }

  #release(): string | null {
    const held = this.#held;
    this.#held = null;
    this.#timers.get("undo")?.();
    this.state.patch({ send: { name: "ready" } });
    return held;
  }

  #reference(message: string, document: string): Parameters<Home["document"]>[1] {
    const said = this.#entries.filter(isEnvelope).find(({ id }) => id === message)?.message?.content.said;
    const reference = said?.type === "text" ? said.payload.attachments.find(({ id }) => id === document) : undefined;
    if (reference === undefined) throw new Error("no such document");
    return reference;
  }

  #known(): Facts {
    if (this.#facts === null) throw new Error("the conversation is not here yet");
    return this.#facts;
  }

  async #letter(find: (facts: Facts) => Promise<KeptInvitation | null>): Promise<InvitationToShow | null> {
    try {
      const kept = await find(this.#known());
      return kept === null ? null : shownInvitation(kept, this.#known(), this.#home);
    } catch (error) {
      this.#fail(error);
      return null;
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.state.patch({ problem: null });
    try {
      await work();
    } catch (error) {
      this.#fail(error);
    }
    await this.#load();
  }

  readonly #fail = (error: unknown): void => {
    this.state.patch({ loading: false, problem: problemOf(error) });
  };

  /** One timer a purpose: what comes again within the time takes its place. */
  #after(purpose: string, ms: number, run: () => unknown): void {
    if (purpose === "load" && this.#timers.has("load")) return;
    this.#timers.get(purpose)?.();
    const cancel = this.#home.ground.platform.clock.after(ms, () => {
      this.#timers.delete(purpose);
      void run();
    });
    this.#timers.set(purpose, cancel);
  }
}
