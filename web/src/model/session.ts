/**
 * The ways in: a device that is already here, the recovery code, a passkey. The latter two enrol this browser as a new
 * device of the account, so that their secrets are needed once only. Source: docs/spec/protocol.md 3, 10, 11.
 */

import type { Api } from "../api/client.ts";
import { Refused } from "../api/refusal.ts";
import type { Me, ServerInfo, SessionRequest } from "../api/types.ts";
import type { Platform, Storage } from "../platform/platform.ts";
import type { ChainState } from "../protocol/account_chain.ts";
import { addHolder, unlock, type ChainUpdate, type UserSecrets } from "../protocol/account.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { ProtocolError } from "../protocol/errors.ts";
import { DeviceKeys, holderFromSeed, type Holder } from "../protocol/holder.ts";
import { openPasskey, passkeyPrfInput, type Wrapped } from "../protocol/passkey.ts";
import { readRecoveryCode, recoverySeed } from "../protocol/recovery.ts";
import { signSession } from "../protocol/session.ts";
import type { Bytes } from "../protocol/suite.ts";
import { Accounts } from "./accounts.ts";
import type { Changes } from "./changes.ts";
import { isOf, keepDevice, keptRecord, loadDevice, putBack, type Device } from "./device.ts";
import { LocalRefusal } from "./refusals.ts";

/** What everything needs that happens before an account is open. */
export type Ground = {
  readonly platform: Platform;
  readonly api: Api;
  readonly storage: Storage;
  readonly changes: Changes;
};

const PATIENCE = 1_000; // milliseconds for the server's word about an account that can be opened without it

/** An account that is open on this device. */
export type Opened = {
  readonly device: Device;
  readonly accounts: Accounts;
  readonly secrets: UserSecrets;
  readonly me: Me;
};

/** Take the device that lies here; null when there is none. Nobody has to answer: what was kept opens it. */
export async function restore(ground: Ground): Promise<Opened | null> {
  const device = await loadDevice(ground.platform, ground.storage);
  if (device === null) return null;
  ground.api.renewSessionBy(() => renewSession(ground, device));
  const accounts = accountsOf(ground, device);
  const me = await soonMe(ground, device);
  return { device, accounts, me, secrets: await ownSecrets(device.keys, me, await ownChain(accounts, me)) };
}

/**
 * Unlock with the 28 letters. @throws ProtocolError `bad_code`, `bad_check`; LocalRefusal `recovery_unknown`,
 * `device_in_use`; Refused `too_many_tries`
 */
export async function unlockByCode(ground: Ground, typed: string): Promise<Opened> {
  const seed = await recoverySeed(await readRecoveryCode(typed));
  return enrol(ground, await holderFromSeed(seed), null).catch(unknownAs("recovery_unknown"));
}

/** Unlock with a passkey. @throws LocalRefusal `passkey_unsuitable`, `passkey_unknown`, `device_in_use`; PasskeyError */
export async function unlockByPasskey(ground: Ground): Promise<Opened> {
  const { credential, prf } = await ground.platform.passkeys.get(await passkeyPrfInput());
  if (prf === null) throw new LocalRefusal("passkey_unsuitable");
  const blob = await ground.api.passkey(b64(credential)).catch((error: unknown) => {
    throw error instanceof Refused && error.code === "not_found" ? new LocalRefusal("passkey_unknown") : error;
  });
  const wrapped = await openPasskey(prf, credential, unb64(blob));
  return enrol(ground, await holderFromSeed(unb64(wrapped.seed)), wrapped).catch(unknownAs("passkey_unknown"));
}

/** A way in that opens no account, or no longer: "this device was not recognised" would mislead. */
function unknownAs(code: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof Refused && error.code === "signature_refused" ? new LocalRefusal(code) : error;
  };
}

/** A session for `holder`, in the cookie. */
export async function openSession(api: Api, server: string, holder: Holder): Promise<void> {
  await api.openSession({ ...(await signedSession(api, server, holder)), cookie: true });
}

async function signedSession(api: Api, server: string, holder: Holder): Promise<Omit<SessionRequest, "cookie">> {
  const { challenge } = await api.challenge(holder.id);
  return { holder: holder.id, challenge, signature: b64(await signSession(holder, { server, challenge })) };
}

/** Make this browser a device of the account that `holder` opens. `pin`: the newest chain a passkey remembers. */
async function enrol(ground: Ground, holder: Holder, pin: Wrapped | null): Promise<Opened> {
  const { api, storage } = ground;
  const server = await api.server();
  const before = await keptRecord(storage);
  if (before !== undefined) {
    // Before the cookie is: every tab of the account that is open here asks with it.
    const account = await api.accountOf(await signedSession(api, server.id, holder));
    if (!isOf(before, { account, server: server.id })) throw new LocalRefusal("device_in_use");
  }
  await openSession(api, server.id, holder);
  try {
    return await enter(ground, server, { holder, pin });
  } catch (error) {
    await putBack(storage, before); // what waits to be sent stays readable
    await api.endThisSession().catch(() => undefined);
    throw error;
  }
}

/** With a session of `holder`. */
async function enter(
  ground: Ground,
  server: ServerInfo,
  { holder, pin }: { readonly holder: Holder; readonly pin: Wrapped | null },
): Promise<Opened> {
  const { api } = ground;
  const me = await api.me();
  const device = await ownDevice(ground, server, me);
  const accounts = accountsOf(ground, device);
  const chain = await accounts.refresh(me.account);
  if (pin !== null) demandPinned(chain, pin);
  const secrets = await ownSecrets(holder, me, chain);
  if (!isHeldBy(chain, device)) {
    await extendOwnChain({ api, accounts }, chain, await deviceLink(ground, { chain, holder, secrets, keys: device.keys }));
  }
  await api.endThisSession();
  await openSession(api, server.id, device.keys);
  ground.api.renewSessionBy(() => renewSession(ground, device));
  await keepServer(device, server);
  return { device, accounts, secrets, me: await currentMe(ground, device) };
}

/** The device that lies here, if it still is one of the account's; else a new one. @throws LocalRefusal `device_in_use` */
async function ownDevice(ground: Ground, server: ServerInfo, { account }: Me): Promise<Device> {
  const { platform, storage } = ground;
  const here = await loadDevice(platform, storage);
  if (here !== null && isOf(here.record, { account, server: server.id })) {
    if (isHeldBy(await accountsOf(ground, here).refresh(account), here)) return here;
  }
  const keys = await DeviceKeys.create((length) => platform.random(length));
  return keepDevice(platform, storage, { account, keys, server: server.id, registryKey: server.registry_key });
}

function isHeldBy({ holders }: ChainState, { keys }: Device): boolean {
  return holders.get(keys.id)?.endedAt === null;
}

function deviceLink(
  ground: Ground,
  by: { readonly chain: ChainState; readonly holder: Holder; readonly secrets: UserSecrets; readonly keys: DeviceKeys },
): Promise<ChainUpdate> {
  return addHolder({
    chain: by.chain,
    signer: by.holder,
    secret: by.secrets.newest,
    added: by.keys,
    kind: "device",
    name: ground.platform.deviceName,
    at: ground.platform.clock.now(),
  });
}

/** Send links of the own chain and pin them once the server has them. */
export async function extendOwnChain(
  through: { readonly api: Api; readonly accounts: Accounts },
  chain: ChainState,
  update: ChainUpdate,
): Promise<ChainState> {
  await through.api.extendChain({
    links: update.links.map((link) => b64(link)),
    boxes: update.boxes.map((box) => ({ ...box, box: b64(box.box) })),
    previous: update.previous.map((one) => ({ ...one, sealed: b64(one.sealed) })),
  });
  return through.accounts.accept(chain.account, update.links, chain.position + 1);
}

export function accountsOf(ground: Ground, device: Device): Accounts {
  return new Accounts(device.vault, ground.api, ground.changes, unb64(device.record.registryKey));
}

/** What the server last said about this account; from the network if it answers, else what was kept. */
export async function currentMe(ground: Ground, device: Device): Promise<Me> {
  try {
    const me = await ground.api.me();
    await device.vault.keep("own", "me", me);
    return me;
  } catch (error) {
    if (error instanceof Refused && error.code !== "unauthenticated" && !error.passing) throw error;
    const kept = await device.vault.read<Me>("own", "me");
    if (kept === undefined) throw error;
    return kept;
  }
}

/** The same for a start: a server that hesitates keeps nobody from reading what lies here. What it says then is kept. */
async function soonMe(ground: Ground, device: Device): Promise<Me> {
  const kept = await device.vault.read<Me>("own", "me");
  const asked = currentMe(ground, device);
  if (kept === undefined) return asked;
  return new Promise((resolve, reject) => {
    const late = ground.platform.clock.after(PATIENCE, () => {
      resolve(kept);
    });
    asked.then(resolve, reject).finally(late);
  });
}

/** What the server says about itself; offline, what it last said. @throws LocalRefusal `registry_changed` */
export async function knownServer(ground: Ground, device: Device): Promise<ServerInfo> {
  try {
    const server = await ground.api.server();
    const same = server.registry_key === device.record.registryKey && server.id === device.record.server;
    if (!same) throw new LocalRefusal("registry_changed");
    await keepServer(device, server);
    return server;
  } catch (error) {
    const kept = error instanceof LocalRefusal ? undefined : await device.vault.read<ServerInfo>("own", "server");
    if (kept === undefined) throw error;
    return kept;
  }
}

export async function keepServer(device: Device, server: ServerInfo): Promise<void> {
  await device.vault.keep("own", "server", server);
}

/** True: the server has taken this device's signature. A device that was removed stays outside. @throws what may pass */
export async function renewSession(ground: Ground, device: Device): Promise<boolean> {
  try {
    await openSession(ground.api, device.record.server, device.keys);
    return true;
  } catch (error) {
    if (error instanceof Refused && !error.passing) return false;
    throw error;
  }
}

async function ownChain(accounts: Accounts, me: Me): Promise<ChainState> {
  return accounts.chain(me.account, me.position);
}

/** Open the user secret for `holder`, every generation of it. */
export async function ownSecrets(holder: Holder, me: Me, chain: ChainState): Promise<UserSecrets> {
  if (me.box === null) throw new LocalRefusal("device_removed");
  const previous = me.previous.map((one) => ({ generation: one.generation, sealed: unb64(one.sealed) }));
  const box: Bytes = unb64(me.box);
  return unlock({ chain, holder, box, generation: me.box_generation ?? me.generation, previous });
}

function demandPinned(chain: ChainState, pin: Wrapped): void {
  if (chain.account !== pin.account) throw new ProtocolError("wrong_account", "the passkey is of another account");
  if (chain.position < pin.position) throw new ProtocolError("rollback", "older than when the passkey was made");
  if (chain.heads[pin.position] !== pin.head) throw new ProtocolError("fork", "another chain than the passkey's");
}
