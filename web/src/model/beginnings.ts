/**
 * Beginning a conversation: record, boxes, invitation and first message are made once, kept on this device, and offered
 * with the same bytes until the server has taken them: a lost answer or a reload makes no second conversation.
 */

import type { Api } from "../api/client.ts";
import type { NewConversation, ReplyMirror } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import { b64 } from "../protocol/codec.ts";
import type { Said } from "../protocol/content.ts";
import { createConversation, type Author, type NewMember } from "../protocol/conversation.ts";
import { sealMessage } from "../protocol/envelope.ts";
import type { AccountId, ConversationId } from "../protocol/suite.ts";
import { removalOf, type Attachments } from "./attachments.ts";
import type { Accounts } from "./accounts.ts";
import { invitationKey, keptOf, type Invited, type KeptInvitation } from "./invited.ts";
import type { Log } from "./log.ts";
import { isPassing } from "./refusals.ts";
import type { Vault } from "./vault.ts";

export type FirstText = Extract<Said, { readonly type: "text" }>["payload"];

export type Beginning = {
  readonly conversation: ConversationId;
  readonly request: NewConversation;
  readonly invitation: { readonly member: string; readonly kept: KeptInvitation } | null;
};

export type BeginRequest = {
  readonly role: "owner" | "patient";
  /** How I am called there (patients; a professional has a certificate). */
  readonly name: string | null;
  readonly with:
    | { readonly invited: Invited }
    | { readonly account: AccountId; readonly role: "patient" | "owner"; readonly name: string | null };
  readonly subject: string;
  readonly first: FirstText;
  readonly reply: ReplyMirror | null;
};

export type BeginningsParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly vault: Vault;
  readonly accounts: Accounts;
  readonly attachments: Attachments;
  readonly log: Log;
  readonly author: () => Promise<Author>;
};

export class Beginnings {
  readonly #parts: BeginningsParts;

  constructor(parts: BeginningsParts) {
    this.#parts = parts;
  }

  /** Make everything and keep it; nothing has been sent yet. */
  async prepare(request: BeginRequest): Promise<Beginning> {
    const { platform, vault, author: me } = this.#parts;
    const at = platform.clock.now();
    const author = await me();
    const commit = await createConversation({
      author,
      role: request.role,
      ...(request.name === null ? {} : { name: request.name }),
      ...(await this.#places(request.with)),
      subject: request.subject,
      at,
    });
    const said = { type: "text", payload: request.first } as const;
    const sealed = await sealMessage({ conversation: commit.conversation, author, said, parents: [], at });
    const beginning: Beginning = {
      conversation: commit.conversation.id,
      request: {
        record: b64(commit.record),
        boxes: commit.boxes.map(({ member, box }) => ({ member, box: b64(box) })),
        invitations: "invited" in request.with ? [request.with.invited.offer] : [],
        envelope: {
          envelope: b64(sealed.envelope),
          kind: sealed.kind,
          reply: request.reply,
          attachments: request.first.attachments.map(({ id }) => id),
          read_seq: null,
        },
      },
      invitation:
        "invited" in request.with
          ? { member: request.with.invited.invite.member, kept: keptOf(request.with.invited) }
          : null,
    };
    await vault.keep("own", keyOf(beginning), beginning);
    return beginning;
  }

  /** Send it; the same bytes again as often as needed. @throws Refused, Unreachable */
  async send(beginning: Beginning): Promise<void> {
    const { api, attachments, log, vault } = this.#parts;
    const files = beginning.request.envelope?.attachments ?? [];
    for (const id of files) await attachments.upload(id, () => undefined);
    await api.createConversation(beginning.request);
    const { invitation } = beginning;
    await vault.write([
      { drawer: "own", key: keyOf(beginning), remove: true },
      ...(invitation === null ? [] : [await vault.put("own", invitationKey(invitation.member), invitation.kept)]),
      ...files.flatMap(removalOf),
    ]);
    await log.load(beginning.conversation);
  }

  /** After a reload: what was begun goes out. What the server refuses for good is given up. */
  async resume(): Promise<void> {
    const all = await this.#parts.vault.range<Beginning>("own", PREFIX, `${PREFIX}~`);
    for (const beginning of all) {
      await this.send(beginning).catch(async (error: unknown) => {
        if (!isPassing(error)) await this.forget(beginning);
      });
    }
  }

  async forget(beginning: Beginning): Promise<void> {
    await this.#parts.vault.write([{ drawer: "own", key: keyOf(beginning), remove: true }]);
  }

  async #places(other: BeginRequest["with"]): Promise<Pick<Parameters<typeof createConversation>[0], "members" | "invites">> {
    if ("invited" in other) {
      const { invite, expires, name } = other.invited;
      return { members: [], invites: [{ invite, role: "patient", expires, name }] };
    }
    const chain = await this.#parts.accounts.refresh(other.account);
    const member: NewMember = { chain, role: other.role, history: "full" };
    return { members: [other.name === null ? member : { ...member, name: other.name }], invites: [] };
  }
}

const PREFIX = "beginning:";

function keyOf({ conversation }: Beginning): string {
  return `${PREFIX}${conversation}`;
}
