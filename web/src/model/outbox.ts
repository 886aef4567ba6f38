/**
 * Nothing written is lost, nothing is sent twice: an intent is kept sealed on this device before the first attempt, and
 * its envelope is kept before it travels, so that a reload sends the very same bytes (which the server takes once).
 * One flush at a time over all tabs; within a conversation strictly in order.
 */

import type { Api } from "../api/client.ts";
import { Refused } from "../api/refusal.ts";
import type { Accepted } from "../api/types.ts";
import type { Cancel, Change, Platform } from "../platform/platform.ts";
import { b64 } from "../protocol/codec.ts";
import type { ConversationId } from "../protocol/suite.ts";
import { removalOf, type Attachments } from "./attachments.ts";
import type { Changes } from "./changes.ts";
import { afterAttempt, dueAt, type Intent, type Outcome, type Pending, type SealedIntent } from "./pending.ts";
import { codeOf, isPassing, retryAfterOf } from "./refusals.ts";
import type { Vault } from "./vault.ts";

const LAST = Number.MAX_SAFE_INTEGER;
/** A group that changes this often while one message is sealed will be met again later. */
const STALE_LIMIT = 5;

/** Seals under the newest epoch that this device has accepted, and learns of newer ones. */
export interface Sealer {
  seal(conversation: ConversationId, intent: Intent, at: number): Promise<SealedIntent>;
  catchUp(conversation: ConversationId): Promise<void>;
}

export type OutboxParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly vault: Vault;
  readonly changes: Changes;
  readonly attachments: Attachments;
  readonly sealer: Sealer;
};

export class Outbox {
  readonly #parts: OutboxParts;
  readonly #progress = new Map<string, number>();
  #alarm: Cancel | null = null;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  /** Keep an intent; it goes out after `hold` milliseconds. */
  async add(conversation: ConversationId, intent: Intent, hold = 0): Promise<Pending> {
    const { platform, vault, changes } = this.#parts;
    const now = platform.clock.now();
    const before = await this.of(conversation);
    const pending: Pending = {
      id: b64(platform.random(12)),
      conversation,
      order: Math.max(now, (before.at(-1)?.order ?? 0) + 1),
      at: now,
      heldUntil: now + hold,
      intent,
      sealed: null,
      state: { name: "queued" },
    };
    await vault.write([...superseded(before, intent), await this.#put(pending)]);
    changes.tell({ what: "outbox", conversation });
    this.wake();
    return pending;
  }

  /** Oldest first. */
  of(conversation: ConversationId): Promise<readonly Pending[]> {
    return this.#parts.vault.range<Pending>("outbox", [conversation, 0, ""], [conversation, LAST, ""]);
  }

  /** Messages on this device that the server does not have: log-off would lose them. Receipts are not counted. */
  async unsent(): Promise<number> {
    const all = await this.#all();
    return all.filter(({ intent, state }) => intent.said.type !== "receipt" && state.name !== "accepted").length;
  }

  /** Share of the documents that is up, while a message is being sent. */
  progress(id: string): number | null {
    return this.#progress.get(id) ?? null;
  }

  /** Take one back that has not left; null when it is too late. Its pieces of files stay on the device. */
  takeBack(conversation: ConversationId, id: string): Promise<Pending | null> {
    return this.#parts.platform.tabs.exclusive("outbox", async () => {
      const pending = (await this.of(conversation)).find((one) => one.id === id);
      const left = pending === undefined || (pending.sealed !== null && pending.state.name !== "refused");
      if (left) return null;
      await this.#parts.vault.write([removal(pending)]);
      this.#parts.changes.tell({ what: "outbox", conversation });
      return pending;
    });
  }

  /** Do not wait any longer with this one: the undo time is over early, or a refusal is tried once more. */
  async hurry(conversation: ConversationId, id: string): Promise<void> {
    await this.#parts.platform.tabs.exclusive("outbox", async () => {
      const pending = (await this.of(conversation)).find((one) => one.id === id);
      if (pending === undefined || pending.state.name === "accepted") return;
      // After a refusal the envelope is sealed anew: the reason may have been in it.
      const sealed = pending.state.name === "refused" ? null : pending.sealed;
      await this.#save({ ...pending, sealed, heldUntil: 0, state: { name: "queued" } });
    });
    this.wake();
  }

  /** Changes that forget what the log has now brought itself. */
  async settled(conversation: ConversationId, ids: ReadonlySet<string>): Promise<readonly Change[]> {
    const settled = (await this.of(conversation)).filter((one) => one.sealed !== null && ids.has(one.sealed.id));
    return settled.flatMap((one) => [removal(one), ...one.intent.attachments.flatMap(removalOf)]);
  }

  /** Send what is due; called when something was added, the network is back, or time has come. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#flush().finally(() => {
      this.#running = null;
      if (this.#again) {
        this.#again = false;
        this.wake();
      }
    });
  }

  /** For tests and log-off: resolves when nothing is being sent. */
  async idle(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm?.();
  }

  async #flush(): Promise<void> {
    const { platform } = this.#parts;
    const due = await platform.tabs
      .exclusive("outbox", () => this.#sendDue())
      .catch(() => platform.clock.now() + STALE_LIMIT * 1_000);
    this.#alarm?.();
    this.#alarm = null;
    if (due === null) return;
    this.#alarm = platform.clock.after(Math.max(0, due - platform.clock.now()), () => {
      this.wake();
    });
  }

  /** When to look again; null: when something changes. */
  async #sendDue(): Promise<number | null> {
    const all = await this.#all();
    const conversations = new Map<ConversationId, Pending[]>();
    for (const one of all) conversations.set(one.conversation, [...(conversations.get(one.conversation) ?? []), one]);
    const next = await Promise.all([...conversations.values()].map((line) => this.#sendLine(line)));
    return next.reduce<number | null>((soonest, at) => (at === null || (soonest ?? at) < at ? soonest : at), null);
  }

  /** In order; the first that must wait holds up those behind it. */
  async #sendLine(line: readonly Pending[]): Promise<number | null> {
    for (const one of line) {
      const due = dueAt(one);
      if (due === null) continue;
      if (due > this.#parts.platform.clock.now()) return due;
      const after = await this.#sendOne(one);
      const wait = dueAt(after);
      if (wait !== null) return wait;
    }
    return null;
  }

  #all(): Promise<readonly Pending[]> {
    return this.#parts.vault.range<Pending>("outbox", ["", 0, ""], ["~", LAST, ""]);
  }

  async #sendOne(first: Pending): Promise<Pending> {
    let pending = first;
    for (let round = 0; ; round += 1) {
      const outcome = await this.#attempt(pending);
      pending = await this.#saveOutcome(outcome.pending, outcome.outcome);
      if (outcome.outcome.name !== "stale") return pending;
      if (round >= STALE_LIMIT) return this.#saveOutcome(pending, { name: "later", seconds: null });
    }
  }

  async #attempt(was: Pending): Promise<{ readonly pending: Pending; readonly outcome: Outcome }> {
    let pending = was;
    try {
      await this.#uploadAll(pending);
      pending = await this.#sealed(pending);
      const { submission } = sealedOf(pending);
      const accepted: Accepted = await this.#parts.api.submit(pending.conversation, submission);
      return { pending, outcome: { name: "accepted", seq: accepted.seq, at: accepted.at } };
    } catch (error) {
      return { pending, outcome: await this.#outcomeOf(pending, error) };
    }
  }

  async #outcomeOf(pending: Pending, error: unknown): Promise<Outcome> {
    const code = codeOf(error);
    // Not logged in any more: the text waits here until the person is back.
    if (isPassing(error) || code === "unauthenticated") return { name: "later", seconds: retryAfterOf(error) };
    try {
      if (error instanceof Refused && code === "stale_epoch") {
        await this.#parts.sealer.catchUp(pending.conversation);
        return { name: "stale" };
      }
      if (code === "attachment_unknown" && (await this.#uploadAgain(pending))) return { name: "later", seconds: 0 };
    } catch (second) {
      return isPassing(second) ? { name: "later", seconds: null } : { name: "refused", code: codeOf(second) };
    }
    return { name: "refused", code };
  }

  async #uploadAll(pending: Pending): Promise<void> {
    const all = pending.intent.attachments;
    for (const [i, id] of all.entries()) {
      await this.#parts.attachments.upload(id, (share) => {
        this.#progress.set(pending.id, (i + share) / all.length);
        this.#parts.changes.tell({ what: "outbox", conversation: pending.conversation });
      });
    }
  }

  /** Once only: an upload that is refused when it is fresh will not get better. */
  async #uploadAgain(pending: Pending): Promise<boolean> {
    if (pending.state.name === "waiting") return false;
    const again = await Promise.all(pending.intent.attachments.map((id) => this.#parts.attachments.mustUploadAgain(id)));
    return again.some(Boolean);
  }

  /** The envelope lies on this device before it travels. */
  async #sealed(pending: Pending): Promise<Pending> {
    if (pending.sealed !== null) return pending;
    const sealed = await this.#parts.sealer.seal(pending.conversation, pending.intent, pending.at);
    return this.#save({ ...pending, sealed });
  }

  async #saveOutcome(pending: Pending, outcome: Outcome): Promise<Pending> {
    const { clock } = this.#parts.platform;
    if (outcome.name !== "later") this.#progress.delete(pending.id);
    const next = afterAttempt(pending, outcome, clock.now(), Math.random());
    return outcome.name === "accepted" ? this.#saveAccepted(next) : this.#save(next);
  }

  /** The log may have brought it already, and forgotten it here: then it is not kept again. */
  #saveAccepted(pending: Pending): Promise<Pending> {
    return this.#parts.platform.tabs.exclusive("log", async () => {
      const kept = await this.#parts.vault.read<Pending>("outbox", keyOf(pending));
      return kept === undefined ? pending : this.#save(pending);
    });
  }

  async #save(pending: Pending): Promise<Pending> {
    await this.#parts.vault.write([await this.#put(pending)]);
    this.#parts.changes.tell({ what: "outbox", conversation: pending.conversation });
    return pending;
  }

  #put(pending: Pending): Promise<Change> {
    return this.#parts.vault.put("outbox", keyOf(pending), pending);
  }
}

function keyOf(pending: Pending): readonly (string | number)[] {
  return [pending.conversation, pending.order, pending.id];
}

function removal(pending: Pending): Change {
  return { drawer: "outbox", key: keyOf(pending), remove: true };
}

/** A newer receipt says all an older one says. */
function superseded(before: readonly Pending[], intent: Intent): readonly Change[] {
  if (intent.said.type !== "receipt") return [];
  const replaceable = ({ intent: { said }, state }: Pending): boolean =>
    said.type === "receipt" && said.payload.opened.length === 0 && state.name !== "accepted";
  return before.filter(replaceable).map(removal);
}

function sealedOf(pending: Pending): SealedIntent {
  if (pending.sealed === null) throw new Error("nothing is sent unsealed");
  return pending.sealed;
}
