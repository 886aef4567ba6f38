/**
 * Conversations opened with the account's secrets: replayed from the records this device has accepted (that is the pin),
 * and extended record by record. Nothing here touches the log.
 */

import type { InvitationRow } from "../api/types.ts";
import { unb64 } from "../protocol/codec.ts";
import { openConversation, extendConversation, type Conversation } from "../protocol/conversation.ts";
import type { Accounts as Chains } from "../protocol/conversation_chain.ts";
import { memberOf, readRecord, type EpochRecord } from "../protocol/epoch_record.ts";
import { openMessage, type Message } from "../protocol/envelope.ts";
import { ProtocolError } from "../protocol/errors.ts";
import type { ChainState } from "../protocol/account_chain.ts";
import type { UserSecrets } from "../protocol/account.ts";
import type { InvitePublic } from "../protocol/invitation.ts";
import type { AccountId, Bytes, ConversationId, MemberId } from "../protocol/suite.ts";
import type { Kind } from "../api/types.ts";
import type { Accounts } from "./accounts.ts";
import type { KeptRecord } from "./facts.ts";

type Sealed = Pick<KeptRecord, "record" | "box">;

export class Openings {
  readonly #accounts: Accounts;
  readonly #secrets: () => UserSecrets;
  readonly #newerSecrets: () => Promise<void>;
  readonly #open = new Map<ConversationId, Conversation>();

  /** `newerSecrets`: another device of this account has changed the user secret; fetch it. */
  constructor(accounts: Accounts, secrets: () => UserSecrets, newerSecrets: () => Promise<void>) {
    this.#accounts = accounts;
    this.#secrets = secrets;
    this.#newerSecrets = newerSecrets;
  }

  /** The conversation as these records make it. */
  async of(id: ConversationId, records: readonly KeptRecord[]): Promise<Conversation> {
    const known = this.#open.get(id);
    if (known !== undefined && known.chain.records.length === records.length) return known;
    const opened = await this.#replay(records);
    if (opened.chain.id !== id) throw new ProtocolError("fork", "records of another conversation");
    this.#open.set(id, opened);
    return opened;
  }

  /** One record more. @throws ProtocolError when it must not be accepted. */
  async extend(conversation: Conversation, next: Sealed): Promise<Conversation> {
    const wire = unb64(next.record);
    const record = await readRecord(wire);
    const extended = await this.#patiently([record], async (accounts) =>
      extendConversation({
        conversation,
        record: wire,
        box: next.box === null ? null : unb64(next.box),
        accounts,
        opener: this.#secrets(),
      }),
    );
    this.#open.set(extended.chain.id, extended);
    return extended;
  }

  /** Open an envelope. `newest`: the epoch in force when the server took it. */
  async message(
    conversation: Conversation,
    envelope: { readonly bytes: Bytes; readonly kind: Kind; readonly newest: number },
  ): Promise<Message> {
    return this.#patiently([conversation.chain.head], (accounts) =>
      openMessage({ conversation, accounts, envelope: envelope.bytes, kind: envelope.kind, newest: envelope.newest }),
    );
  }

  /** The newest chains of everybody in these records. */
  async chains(records: readonly EpochRecord[]): Promise<Chains> {
    const positions = new Map<AccountId, number>();
    for (const record of records) {
      for (const { id, kind, position } of record.members) {
        if (kind !== "invite") positions.set(id, Math.max(positions.get(id) ?? 0, position));
      }
    }
    const found = await Promise.all(
      [...positions].map(async ([id, position]): Promise<[AccountId, ChainState]> => [id, await this.#accounts.chain(id, position)]),
    );
    return new Map(found);
  }

  forget(id: ConversationId): void {
    this.#open.delete(id);
  }

  async #replay(records: readonly KeptRecord[]): Promise<Conversation> {
    const wires = records.map(({ record }) => unb64(record));
    const read = await Promise.all(wires.map(readRecord));
    const boxes = new Map<number, Bytes>();
    for (const [i, { box }] of records.entries()) if (box !== null) boxes.set(i + 1, unb64(box));
    return this.#patiently(read, (accounts) =>
      openConversation({ records: wires, accounts, opener: this.#secrets(), boxes }),
    );
  }

  /** A refusal may only mean that a member's chain has grown: ask once for the newest, then believe it. */
  async #patiently<T>(records: readonly EpochRecord[], attempt: (chains: Chains) => Promise<T>): Promise<T> {
    const mine = records.map((record) => memberOf(record, this.#secrets().member)?.generation ?? 0);
    if (Math.max(0, ...mine) > this.#secrets().newest.generation) await this.#newerSecrets();
    const before = await this.chains(records);
    try {
      return await attempt(before);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      await Promise.all([...before.keys()].map((id) => this.#accounts.refresh(id)));
      const after = await this.chains(records);
      const grown = [...after].some(([id, chain]) => chain.position > (before.get(id)?.position ?? -1));
      if (!grown) throw error;
      return attempt(after);
    }
  }
}

export function invitesOf(invitations: readonly InvitationRow[]): ReadonlyMap<MemberId, InvitePublic> {
  return new Map(invitations.map(({ member, sign, enc }) => [member, { sign: unb64(sign), enc: unb64(enc) }]));
}
