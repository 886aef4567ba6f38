/** The account itself: its ways in, its sessions, a new recovery code, a passkey. */

import type { Api } from "../api/client.ts";
import type { Me, SessionRow, Settings } from "../api/types.ts";
import type { Platform } from "../platform/platform.ts";
import { activeHolders, type ChainState, type HolderState } from "../protocol/account_chain.ts";
import { addHolder, retireHolder, revokeHolder, withNewer, type UserSecrets } from "../protocol/account.ts";
import { b64 } from "../protocol/codec.ts";
import { holderFromSeed } from "../protocol/holder.ts";
import { passkeyPrfInput, sealPasskey } from "../protocol/passkey.ts";
import { formatRecoveryCode, newRecoveryCode, recoverySeed } from "../protocol/recovery.ts";
import type { HolderId } from "../protocol/suite.ts";
import type { Accounts } from "./accounts.ts";
import type { Device } from "./device.ts";
import { LocalRefusal } from "./refusals.ts";
import { extendOwnChain } from "./session.ts";

const SEED = 32;

export type OwnAccountParts = {
  readonly platform: Platform;
  readonly api: Api;
  readonly accounts: Accounts;
  readonly device: Device;
  readonly secrets: { value: UserSecrets };
  readonly me: { value: Me };
};

export class OwnAccount {
  readonly #parts: OwnAccountParts;

  constructor(parts: OwnAccountParts) {
    this.#parts = parts;
  }

  get id(): string {
    return this.#parts.device.record.account;
  }

  get thisDevice(): HolderId {
    return this.#parts.device.keys.id;
  }

  get settings(): Settings {
    return this.#parts.me.value.settings;
  }

  async holders(): Promise<readonly HolderState[]> {
    return activeHolders(await this.#newest());
  }

  sessions(): Promise<readonly SessionRow[]> {
    return this.#parts.api.sessions();
  }

  endSession(id: string): Promise<void> {
    return this.#parts.api.endSession(id);
  }

  async change(settings: Partial<Settings>): Promise<void> {
    const { api, me } = this.#parts;
    me.value = { ...me.value, settings: await api.changeSettings(settings) };
  }

  /** A new recovery code takes the place of the old ones. Returns it, to be shown once. */
  async renewRecovery(): Promise<string> {
    const { platform } = this.#parts;
    const before = (await this.holders()).filter(({ kind }) => kind === "recovery");
    const code = newRecoveryCode((length) => platform.random(length));
    await this.#addHolder("recovery", "", await recoverySeed(code));
    // The new one works before the old ones stop.
    for (const { id } of before) await this.#retire(id);
    return formatRecoveryCode(code);
  }

  /** A passkey as one more way in. @throws LocalRefusal `passkey_unsuitable`; PasskeyError */
  async addPasskey(name: string): Promise<void> {
    const { platform, api } = this.#parts;
    const { credential, prf } = await platform.passkeys.create({ name, input: await passkeyPrfInput() });
    if (prf === null) throw new LocalRefusal("passkey_unsuitable");
    const seed = platform.random(SEED);
    const holder = (await holderFromSeed(seed)).id;
    const chain = await this.#addHolder("passkey", platform.deviceName, seed);
    const content = { account: chain.account, head: chain.head, position: chain.position, seed: b64(seed) };
    const blob = await sealPasskey(prf, credential, content);
    await api.putPasskey(b64(credential), { holder, blob: b64(blob) });
  }

  /** A lost or stolen way in: it ends now, and everything written later is closed to it. */
  async removeHolder(holder: HolderId): Promise<void> {
    const { api, accounts, device, platform, secrets } = this.#parts;
    const chain = await this.#newest();
    const update = await revokeHolder({
      chain,
      signer: device.keys,
      at: platform.clock.now(),
      holder,
      secret: secrets.value.newest,
    });
    await extendOwnChain({ api, accounts }, chain, update);
    secrets.value = withNewer(secrets.value, update.secret);
  }

  async #retire(holder: HolderId): Promise<void> {
    const { api, accounts, device, platform } = this.#parts;
    const chain = await this.#newest();
    const update = await retireHolder({ chain, signer: device.keys, at: platform.clock.now(), holder });
    await extendOwnChain({ api, accounts }, chain, update);
  }

  async #addHolder(kind: "recovery" | "passkey", name: string, seed: Uint8Array<ArrayBuffer>): Promise<ChainState> {
    const { api, accounts, device, platform, secrets } = this.#parts;
    const chain = await this.#newest();
    const update = await addHolder({
      chain,
      signer: device.keys,
      secret: secrets.value.newest,
      added: await holderFromSeed(seed),
      kind,
      name,
      at: platform.clock.now(),
    });
    return extendOwnChain({ api, accounts }, chain, update);
  }

  #newest(): Promise<ChainState> {
    return this.#parts.accounts.refresh(this.id);
  }
}
