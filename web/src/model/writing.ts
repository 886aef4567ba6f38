/** Changing a conversation: sealing what is said, and every change of its members as one signed epoch. */

import type { Api } from "../api/client.ts";
import { Refused, Unreachable } from "../api/refusal.ts";
import type { InvitationOffer } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import type { ChainState } from "../protocol/account_chain.ts";
import { b64 } from "../protocol/codec.ts";
import {
  addMembers,
  removeMembers,
  replaceInvite,
  rotateEpoch,
  type Author,
  type ChangeBy,
  type Commit,
} from "../protocol/conversation.ts";
import { sealMessage } from "../protocol/envelope.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { rotationDue } from "../protocol/rotation.ts";
import type { AccountId, ConversationId, MemberId } from "../protocol/suite.ts";
import type { Accounts } from "./accounts.ts";
import { isMirrored, parentsOf, type Facts } from "./facts.ts";
import type { Invited } from "./invited.ts";
import type { Log } from "./log.ts";
import { invitesOf, type Openings } from "./opening.ts";
import type { Sealer } from "./outbox.ts";
import type { Intent, SealedIntent } from "./pending.ts";

const ROUNDS = 4;

export type WritingParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly accounts: Accounts;
  readonly openings: Openings;
  readonly log: Log;
  readonly author: () => Promise<Author>;
};

export class Writing implements Sealer {
  readonly #parts: WritingParts;

  constructor(parts: WritingParts) {
    this.#parts = parts;
  }

  async seal(id: ConversationId, intent: Intent, at: number): Promise<SealedIntent> {
    const { log, author } = this.#parts;
    if ((await log.facts(id)) === undefined) await log.load(id);
    await this.#rotateIfDue(id, intent);
    const facts = await this.#sound(id);
    const conversation = await log.opened(id);
    const sealed = await sealMessage({
      conversation,
      author: await author(),
      said: intent.said,
      parents: parentsOf(facts),
      at,
    });
    return {
      id: sealed.id,
      epoch: conversation.chain.head.epoch,
      submission: {
        envelope: b64(sealed.envelope),
        kind: sealed.kind,
        reply: intent.reply,
        attachments: intent.attachments,
        read_seq: intent.readSeq,
      },
    };
  }

  catchUp(id: ConversationId): Promise<void> {
    return this.#parts.log.catchUp(id);
  }

  /** A professional joins; `full`: reads everything from the beginning. */
  async add(id: ConversationId, account: AccountId, history: "none" | "full"): Promise<void> {
    await this.#parts.accounts.refresh(account);
    await this.#commit(id, async (by) => {
      const chain = await this.#parts.accounts.chain(account);
      return addMembers({ ...by, members: [{ chain, role: "professional", history }] });
    });
  }

  async remove(id: ConversationId, member: MemberId): Promise<void> {
    await this.#commit(id, (by) => removeMembers({ ...by, members: [member] }));
  }

  /** Another invitation in the place of one that nobody took. */
  async reinvite(id: ConversationId, old: MemberId, now: Invited): Promise<void> {
    const { invite, name, expires } = now;
    await this.#commit(
      id,
      (by) => replaceInvite({ ...by, old, now: { invite, role: "patient", expires, name } }),
      [now.offer],
    );
  }

  /** Nothing is said under keys that a lost device still has (docs/spec/protocol.md 6.4). */
  async #rotateIfDue(id: ConversationId, { said }: Intent): Promise<void> {
    const ask = said.type !== "receipt"; // it says nothing: what is known of the members will do
    if (!(await this.#isDue(id, ask))) return;
    await this.#commit(id, async (by) => ((await this.#isDue(id, ask)) ? rotateEpoch(by) : null));
  }

  async #isDue(id: ConversationId, ask: boolean): Promise<boolean> {
    const { accounts, author, log, openings, platform } = this.#parts;
    const facts = await this.#sound(id);
    const { chain } = await log.opened(id);
    const people = chain.head.members.filter(({ kind }) => kind !== "invite");
    if (ask) await Promise.all(people.map((member) => accounts.refresh(member.id)));
    return rotationDue(chain, await openings.chains([chain.head]), {
      me: (await author()).chain.account,
      at: platform.clock.now(),
      events: facts.last - (facts.records.at(-1)?.seq ?? facts.last),
    });
  }

  /** Build on the newest epoch, offer it, and build again when somebody was quicker. `null`: no longer needed. */
  async #commit(
    id: ConversationId,
    build: (by: ChangeBy) => Promise<Commit | null>,
    invitations: readonly InvitationOffer[] = [],
  ): Promise<void> {
    const { api, log } = this.#parts;
    for (let round = 1; ; round += 1) {
      const commit = await build(await this.#base(id));
      if (commit === null) return;
      const record = b64(commit.record);
      const boxes = commit.boxes.map(({ member, box }) => ({ member, box: b64(box) }));
      try {
        await api.createEpoch(id, { record, boxes, invitations });
        await log.catchUp(id);
        return;
      } catch (error) {
        if (error instanceof Unreachable && (await this.#arrived(id, commit))) return;
        const stale = error instanceof Refused && error.code === "stale_epoch" && round < ROUNDS;
        if (!stale) throw error;
        await log.catchUp(id);
      }
    }
  }

  /** The answer was lost, but the epoch may be there. */
  async #arrived(id: ConversationId, commit: Commit): Promise<boolean> {
    await this.#parts.log.catchUp(id);
    const { chain } = await this.#parts.log.opened(id);
    return chain.records.some(({ hash }) => hash === commit.conversation.chain.head.hash);
  }

  /** What a change starts from: the newest epoch, everybody's newest keys. */
  async #base(id: ConversationId): Promise<ChangeBy> {
    const { accounts, author, log, openings, platform } = this.#parts;
    const facts = await this.#sound(id);
    const conversation = await log.opened(id);
    const { head } = conversation.chain;
    const people = head.members.filter(({ kind }) => kind !== "invite");
    await Promise.all(people.map((member) => accounts.refresh(member.id)));
    const chains: ReadonlyMap<AccountId, ChainState> = await openings.chains([head]);
    const invites = await this.#invites(id, facts, head.members.some(({ kind }) => kind === "invite"));
    return { conversation, author: await author(), accounts: chains, invites, at: platform.clock.now() };
  }

  async #invites(id: ConversationId, facts: Facts, open: boolean): Promise<ReturnType<typeof invitesOf>> {
    if (!open) return new Map();
    await this.#parts.log.refreshDetail(id);
    const fresh = await this.#parts.log.facts(id);
    return invitesOf((fresh ?? facts).invitations);
  }

  /** Nothing is sent into a conversation that alarms. */
  async #sound(id: ConversationId): Promise<Facts> {
    const { log } = this.#parts;
    let facts = await log.facts(id);
    if (facts !== undefined && !isMirrored(facts)) {
      await log.catchUp(id); // the server's word is still to come, or withheld: then this is an alarm
      facts = await log.facts(id);
    }
    if (facts === undefined) throw new ProtocolError("not_next", "a conversation that is not here");
    if (facts.alarm !== null) throw new ProtocolError(alarmCode(facts.alarm), "the conversation alarms");
    return facts;
  }
}

function alarmCode(code: string): ProtocolError["code"] {
  return code as ProtocolError["code"];
}

