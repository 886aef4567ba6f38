/** An account that is open on this device: everything one can do with it, wired together once. */

import type { Me, ServerInfo } from "../api/types.ts";
import type { UserSecrets } from "../protocol/account.ts";
import type { AttachmentReference } from "../protocol/attachment.ts";
import type { Author } from "../protocol/conversation.ts";
import type { AccountId, ConversationId, HolderId, MessageId } from "../protocol/suite.ts";
import { Attachments } from "./attachments.ts";
import { Beginnings } from "./beginnings.ts";
import type { Facts } from "./facts.ts";
import { drawInvitation, invitationKey, keptOf, type Invited, type KeptInvitation } from "./invited.ts";
import { Journal } from "./journal.ts";
import { Log } from "./log.ts";
import { Openings } from "./opening.ts";
import { Outbox } from "./outbox.ts";
import type { Intent, Pending } from "./pending.ts";
import { ReminderMemory } from "./reminders.ts";
import { currentMe, knownServer, ownSecrets, type Ground, type Opened } from "./session.ts";
import { OwnAccount } from "./settings.ts";
import { Sync, type Connection } from "./sync.ts";
import { Writing } from "./writing.ts";

export class Home {
  readonly ground: Ground;
  readonly account: AccountId;
  readonly own: OwnAccount;
  readonly log: Log;
  readonly outbox: Outbox;
  readonly attachments: Attachments;
  readonly beginnings: Beginnings;
  readonly writing: Writing;
  readonly #opened: Opened;
  readonly #sync: Sync;
  readonly #me: { value: Me };
  readonly #secrets: { value: UserSecrets };
  /** Server's clock minus this device's, milliseconds: for display and deadlines only. */
  #offset = 0;
  #server: Promise<ServerInfo> | null = null;

  constructor(ground: Ground, opened: Opened, connection: (connection: Connection) => void) {
    const { platform, api, changes } = ground;
    const { device, accounts } = opened;
    this.ground = ground;
    this.account = device.record.account;
    this.#opened = opened;
    this.#me = { value: opened.me };
    this.#secrets = { value: opened.secrets };
    const author = (): Promise<Author> => this.author();
    const openings = new Openings(
      accounts,
      () => this.#secrets.value,
      () => this.refreshSecrets(),
    );
    const random = (length: number): Uint8Array<ArrayBuffer> => platform.random(length);
    this.attachments = new Attachments(device.vault, api, random, async () => (await this.server()).limits);
    this.log = new Log({
      platform,
      api,
      vault: device.vault,
      changes,
      accounts,
      openings,
      me: this.account,
      settled: (conversation, ids) => this.outbox.settled(conversation, ids),
    });
    this.writing = new Writing({ platform, api, accounts, openings, log: this.log, author });
    const shared = { platform, api, vault: device.vault, attachments: this.attachments };
    this.outbox = new Outbox({ ...shared, changes, sealer: this.writing });
    this.beginnings = new Beginnings({ ...shared, accounts, log: this.log, author });
    this.own = new OwnAccount({ platform, api, accounts, device, secrets: this.#secrets, me: this.#me });
    const fresh = (): void => {
      this.outbox.wake();
      void this.beginnings.resume();
    };
    this.#sync = new Sync({ platform, api, changes, sink: this.log, connection, fresh });
  }

  start(): void {
    this.#sync.start();
    this.outbox.wake();
    void this.server().catch(() => undefined);
  }

  stop(): void {
    this.#sync.stop();
    this.outbox.stop();
  }

  get professional(): boolean {
    return this.#me.value.role === "professional";
  }

  get me(): Me {
    return this.#me.value;
  }

  async author(): Promise<Author> {
    return { chain: await this.#opened.accounts.chain(this.account), device: this.#opened.device.keys };
  }

  /** My certificate as checked here; null for a patient. */
  certificate(): ReturnType<Opened["accounts"]["certificate"]> {
    return this.#opened.accounts.certificate(this.account);
  }

  /** What the owner of an account calls one of its devices; empty when its chain here does not name it. */
  async deviceName(account: AccountId, device: HolderId): Promise<string> {
    const chain = await this.#opened.accounts.known(account);
    return chain?.holders.get(device)?.name ?? "";
  }

  /** What the server says about itself. @throws LocalRefusal `registry_changed` */
  server(): Promise<ServerInfo> {
    this.#server ??= knownServer(this.ground, this.#opened.device).then(
      (server) => {
        this.#offset = server.now - this.ground.platform.clock.now();
        return server;
      },
      (error: unknown) => {
        this.#server = null;
        throw error;
      },
    );
    return this.#server;
  }

  /** Time as the server has it, so that a device clock that is a day off shows no nonsense. */
  now(): number {
    return this.ground.platform.clock.now() + this.#offset;
  }

  /** Another device of mine changed the user secret: take the new one. */
  async refreshSecrets(): Promise<void> {
    const { device, accounts } = this.#opened;
    this.#me.value = await currentMe(this.ground, device);
    const chain = await accounts.chain(this.account, this.#me.value.position);
    this.#secrets.value = await ownSecrets(device.keys, this.#me.value, chain);
  }

  // ---- conversations

  say(conversation: ConversationId, intent: Intent, hold = 0): Promise<Pending> {
    return this.outbox.add(conversation, intent, hold);
  }

  /** The signed receipt: everything up to `upto` has been seen; with the documents that were opened. */
  async receipt(conversation: ConversationId, upto: MessageId, seq: number, opened: readonly Opening[]): Promise<void> {
    await this.log.readUpTo(conversation, seq);
    const said = { type: "receipt", payload: { upto, opened } } as const;
    await this.outbox.add(conversation, { said, attachments: [], reply: null, readSeq: seq });
  }

  retract(conversation: ConversationId, message: MessageId): Promise<void> {
    return this.ground.api.retract(conversation, message).then(() => this.log.catchUp(conversation));
  }

  leave(conversation: ConversationId): Promise<void> {
    return this.ground.api.leave(conversation).then(() => this.log.catchUp(conversation));
  }

  /** Take nothing more from a professional, or take it again; the conversation says so to everybody. */
  async refuse(conversation: ConversationId, account: AccountId, refused: boolean): Promise<void> {
    await (refused ? this.ground.api.block(account) : this.ground.api.unblock(account));
    await this.log.catchUp(conversation);
  }

  document(
    conversation: ConversationId,
    reference: AttachmentReference,
    progress: (share: number) => void,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return this.attachments.open(conversation, reference, progress);
  }

  // ---- invitations

  async draw(name: string, progress: (share: number) => void): Promise<Invited> {
    const server = await this.server();
    const about = { name, inviter: this.account, codeSalt: server.code_salt, now: this.now() };
    return drawInvitation(this.ground.platform, about, progress);
  }

  /** An invitation made on this device, if its place is still open. */
  async invitation(facts: Facts): Promise<KeptInvitation | null> {
    const place = facts.people.find(({ standing }) => standing === "invited");
    if (place === undefined) return null;
    return (await this.#opened.device.vault.read<KeptInvitation>("own", invitationKey(place.id))) ?? null;
  }

  /** A fresh invitation for a place that nobody took. */
  async reinvite(facts: Facts, progress: (share: number) => void): Promise<KeptInvitation | null> {
    const place = facts.people.find(({ standing }) => standing === "invited");
    if (place === undefined) return null;
    const invited = await this.draw(place.name, progress);
    await this.writing.reinvite(facts.conversation, place.id, invited);
    const kept = keptOf(invited);
    await this.#opened.device.vault.keep("own", invitationKey(invited.invite.member), kept);
    return kept;
  }

  // ---- who had access

  reminders(): ReminderMemory {
    return new ReminderMemory(this.#opened.device.vault);
  }

  journal(): Journal {
    return new Journal({ api: this.ground.api, vault: this.#opened.device.vault, me: this.account });
  }

  // ---- drafts

  async draft(conversation: ConversationId): Promise<string> {
    return (await this.#opened.device.vault.read<string>("own", `draft:${conversation}`)) ?? "";
  }

  keepDraft(conversation: ConversationId, text: string): Promise<void> {
    return this.#opened.device.vault.keep("own", `draft:${conversation}`, text);
  }

}

export type Opening = { readonly attachment: string; readonly message: MessageId };
