/** The client without a screen: the ways in, the open account, and the way out. */

import { Api } from "../api/client.ts";
import type { Activation, DirectoryPerson } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import type { B64, ConversationId } from "../protocol/suite.ts";
import { Changes } from "./changes.ts";
import { Home } from "./home.ts";
import { activate, claim, claimWith, codeKept, finish, unfinished, type Joined, type Joining } from "./joining.ts";
import { carriedByCode, carriedByLink, openLetter, refuseLetter, type Letter } from "./letter.ts";
import { LocalRefusal } from "./refusals.ts";
import { restore, unlockByCode, unlockByPasskey, type Ground, type Opened } from "./session.ts";
import type { Connection } from "./sync.ts";

export class Client {
  readonly platform: Platform;
  readonly api: Api;
  readonly changes: Changes;
  #ground: Promise<Ground> | null = null;
  #home: Home | null = null;
  #connection: Connection = "connecting";
  #removed = false;
  readonly #watchers = new Set<() => void>();

  constructor(platform: Platform) {
    this.platform = platform;
    this.api = new Api(platform.http, platform.clock, Math.random);
    this.changes = new Changes(platform.tabs);
    this.changes.watch((changed, here) => {
      if (here || (changed.what !== "logged off" && changed.what !== "removed")) return;
      this.#removed = changed.what === "removed";
      this.#close();
      this.#ground = null; // its database is being deleted: who comes in again here needs a new one
    });
  }

  /** The open account; null while locked. */
  get home(): Home | null {
    return this.#home;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Whether the account was closed here because the person removed this device from it. */
  get removed(): boolean {
    return this.#removed;
  }

  /** Told when an account opens or closes, and when the connection changes. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => {
      this.#watchers.delete(changed);
    };
  }

  /** Open what lies on this device. A joining that was left in the middle is finished and returned. */
  async start(): Promise<Joining | null> {
    const lack = await this.platform.missing();
    if (lack !== null) throw new LocalRefusal(lack);
    const ground = await this.ground();
    const left = await unfinished(ground);
    if (left !== null) return this.#joined(await finish(ground, left.device, left.joining));
    const opened = await restore(ground);
    if (opened !== null) this.#open(ground, opened);
    return null;
  }

  async unlockByCode(typed: string): Promise<void> {
    await this.#enter(async (ground) => unlockByCode(ground, typed));
  }

  async unlockByPasskey(): Promise<void> {
    await this.#enter(unlockByPasskey);
  }

  // ---- joining

  activation(token: B64): Promise<Activation> {
    return this.api.activation(token);
  }

  async activate(token: B64, name: string): Promise<Joining> {
    return this.#joined(await activate(await this.ground(), token, name));
  }

  async letterByLink(fragment: string): Promise<Letter> {
    return openLetter(this.api, carriedByLink(this.platform, fragment));
  }

  async letterByCode(typed: string, progress: (share: number) => void): Promise<Letter> {
    return openLetter(this.api, await carriedByCode({ platform: this.platform, api: this.api }, typed, progress));
  }

  refuse(letter: Letter): Promise<void> {
    return refuseLetter(this.api, letter);
  }

  async claim(letter: Letter): Promise<Joining> {
    return this.#joined(await claim(await this.ground(), letter));
  }

  /** With the account that is open here. */
  async claimHere(letter: Letter): Promise<ConversationId> {
    const home = this.#home;
    if (home === null) throw new LocalRefusal("unexpected");
    const conversation = await claimWith(await this.ground(), letter, await home.author());
    await home.log.load(conversation);
    return conversation;
  }

  /** The recovery code is put away. */
  async codeKept(): Promise<void> {
    const left = await unfinished(await this.ground());
    if (left !== null) await codeKept(left.device);
  }

  // ---- directory

  async search(text: string, signal: AbortSignal): Promise<readonly DirectoryPerson[]> {
    return text.trim().length < 2 ? [] : this.api.searchDirectory(text.trim(), signal);
  }

  pharmacies(): Promise<readonly DirectoryPerson[]> {
    return this.api.openPharmacies();
  }

  // ---- out

  /** Forget everything on this device, in every tab. */
  async logOff(): Promise<void> {
    const ground = await this.ground();
    // First stop what would open a new session as soon as this one ends.
    this.#close();
    this.changes.tell({ what: "logged off" });
    await this.api.endThisSession().catch(() => undefined);
    await this.#wipe(ground);
  }

  async #wipe(ground: Ground): Promise<void> {
    await ground.storage.wipe();
    this.#ground = null;
  }

  /** The session ended and could not be renewed: closed for good, if the account itself has said so. */
  async #leaveIfRemoved(ground: Ground, opened: Opened, home: Home): Promise<void> {
    const { isRemoved } = await import("./removal.ts");
    if (!(await isRemoved(ground, opened)) || this.#home !== home) return;
    this.#removed = true;
    this.#close();
    this.changes.tell({ what: "removed" });
    await this.#wipe(ground);
  }

  ground(): Promise<Ground> {
    this.#ground ??= this.#dig();
    return this.#ground;
  }

  async #dig(): Promise<Ground> {
    try {
      const storage = await this.platform.storage();
      return { platform: this.platform, api: this.api, changes: this.changes, storage };
    } catch {
      this.#ground = null;
      throw new LocalRefusal("storage_unavailable");
    }
  }

  async #enter(way: (ground: Ground) => Promise<Opened>): Promise<void> {
    const ground = await this.ground();
    this.#open(ground, await way(ground));
  }

  async #joined({ opened, joining }: Joined): Promise<Joining> {
    this.#open(await this.ground(), opened);
    return joining;
  }

  #open(ground: Ground, opened: Opened): void {
    this.#home?.stop();
    this.#removed = false;
    const home = new Home(ground, opened, (connection) => {
      this.#connection = connection;
      this.#tell();
      if (connection === "ended") void this.#leaveIfRemoved(ground, opened, home).catch(() => undefined);
    });
    this.#home = home;
    home.start();
    this.#tell();
  }

  #close(): void {
    this.api.renewSessionBy(() => Promise.resolve(false));
    this.#home?.stop();
    this.#home = null;
    this.#tell();
  }

  #tell(): void {
    for (const run of [...this.#watchers]) run();
  }
}

/** Check a token's form before the server is asked: 32 bytes. */
export function isToken(text: string): boolean {
  try {
    return b64(unb64(text, 32)) === text;
  } catch {
    return false;
  }
}

