/**
 * New accounts: a professional's by activation, a patient's by taking an invited place. The keys, the request and the
 * recovery code lie sealed on this device before anything is sent, and until the person has put the code away: a reload
 * or a lost answer at any moment goes on where it was.
 */

import type { Claim, NewAccount as NewAccountRequest } from "../api/types.ts";
import { attest, createAccount, type NewAccount } from "../protocol/account.ts";
import { b64, unb64 } from "../protocol/codec.ts";
import { claimInvitation, type Author } from "../protocol/conversation.ts";
import { DeviceKeys } from "../protocol/holder.ts";
import type { B64, ConversationId } from "../protocol/suite.ts";
import { keepDevice, loadDevice, putBack, type Device } from "./device.ts";
import type { Letter } from "./letter.ts";
import { isPassing } from "./refusals.ts";
import { accountsOf, currentMe, extendOwnChain, keepServer, openSession, ownSecrets, renewSession, type Ground, type Opened } from "./session.ts";

const KEY = "joining";

/** Kept under `own` until the recovery code is put away. */
export type Joining = {
  readonly recoveryCode: string;
  readonly name: string;
  readonly links: readonly B64[];
} & (
  | { readonly how: "activation"; readonly request: NewAccountRequest }
  | { readonly how: "claim"; readonly invitation: B64; readonly request: Claim; readonly conversation: ConversationId }
);

export type Joined = { readonly opened: Opened; readonly joining: Joining };

/** A professional's account. @throws Refused `activation_invalid` */
export async function activate(ground: Ground, token: B64, name: string): Promise<Joined> {
  const server = await ground.api.server();
  const { keys, account } = await newAccount(ground);
  const device = await keepDevice(ground.platform, ground.storage, {
    account: account.chain.account,
    keys,
    server: server.id,
    registryKey: server.registry_key,
  });
  const { links, boxes } = wires(account);
  const request: NewAccountRequest = { activation: token, chain: links, boxes };
  return begin(ground, device, { how: "activation", request, recoveryCode: account.recoveryCode, name, links });
}

/** A patient's account, in the invited place. @throws Refused `invitation_used`, `invitation_expired`, … */
export async function claim(ground: Ground, letter: Letter): Promise<Joined> {
  const { keys, account } = await newAccount(ground);
  const device = await keepDevice(ground.platform, ground.storage, {
    account: account.chain.account,
    keys,
    server: letter.server,
    registryKey: letter.registryKey,
  });
  const { links, boxes } = wires(account);
  const request = await claimRequest(ground, letter, { chain: account.chain, device: device.keys });
  return begin(ground, device, {
    how: "claim",
    invitation: letter.invite.id,
    conversation: letter.conversation.id,
    request: { ...request, account: { chain: links, boxes } },
    recoveryCode: account.recoveryCode,
    name: letter.invited,
    links,
  });
}

/** Take the place with the account that is already open here. */
export async function claimWith(ground: Ground, letter: Letter, author: Author): Promise<ConversationId> {
  const request = await claimRequest(ground, letter, author);
  return (await ground.api.claim(letter.invite.id, request)).conversation;
}

/** What was left in the middle on this device, or null. */
export async function unfinished(ground: Ground): Promise<{ readonly device: Device; readonly joining: Joining } | null> {
  const device = await loadDevice(ground.platform, ground.storage);
  const joining = await device?.vault.read<Joining>("own", KEY);
  return device === null || joining === undefined ? null : { device, joining };
}

/** Send (again) what was prepared; every step of it may be repeated. */
export async function finish(ground: Ground, device: Device, joining: Joining): Promise<Joined> {
  const { api } = ground;
  const certificate = joining.how === "activation" ? (await api.createAccount(joining.request)).certificate : null;
  if (joining.how === "claim") await api.claim(joining.invitation, joining.request);
  await openSession(api, device.record.server, device.keys);
  api.renewSessionBy(() => renewSession(ground, device));
  const accounts = accountsOf(ground, device);
  let chain = await accounts.accept(device.record.account, joining.links.map((link) => unb64(link)), 0);
  chain = await accounts.refresh(device.record.account);
  if (certificate !== null && chain.certificate === null) {
    const at = ground.platform.clock.now();
    const update = await attest({ chain, signer: device.keys, certificate: unb64(certificate), at });
    chain = await extendOwnChain({ api, accounts }, chain, update);
  }
  await keepServer(device, await api.server());
  const me = await currentMe(ground, device);
  return { joining, opened: { device, accounts, me, secrets: await ownSecrets(device.keys, me, chain) } };
}

/** The person has put the recovery code away: it is nowhere on this device any more. */
export async function codeKept(device: Device): Promise<void> {
  await device.vault.write([{ drawer: "own", key: KEY, remove: true }]);
}

async function begin(ground: Ground, device: Device, joining: Joining): Promise<Joined> {
  await device.vault.keep("own", KEY, joining);
  try {
    return await finish(ground, device, joining);
  } catch (error) {
    // Refused for good: this device belongs to no account.
    if (!isPassing(error)) {
      await codeKept(device);
      await putBack(ground.storage, undefined);
    }
    throw error;
  }
}

async function newAccount(ground: Ground): Promise<{ readonly keys: DeviceKeys; readonly account: NewAccount }> {
  const { platform } = ground;
  const keys = await DeviceKeys.create((length) => platform.random(length));
  const account = await createAccount({ device: keys, deviceName: platform.deviceName, at: platform.clock.now() });
  return { keys, account };
}

function wires(account: NewAccount): Pick<NewAccountRequest, "boxes"> & { readonly links: readonly B64[] } {
  return {
    links: account.links.map((link) => b64(link)),
    boxes: account.boxes.map((box) => ({ ...box, box: b64(box.box) })),
  };
}

async function claimRequest(ground: Ground, letter: Letter, author: Author): Promise<Claim> {
  const { invite, conversation, chains } = letter;
  const at = ground.platform.clock.now();
  const commit = await claimInvitation({ conversation, author, accounts: chains, invites: new Map(), invite, at });
  return {
    account: null,
    sign: b64(invite.sign),
    enc: b64(invite.enc),
    record: b64(commit.record),
    boxes: commit.boxes.map(({ member, box }) => ({ member, box: b64(box) })),
    // The session is opened by the device's signature, as ever after.
    cookie: false,
  };
}
