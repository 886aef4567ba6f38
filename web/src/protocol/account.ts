/**
 * An account as its owner handles it: make it, add ways in, change the secret, unlock. Source: docs/spec/protocol.md 3 to 5.
 */

import { acceptLink, activeHolders, userKey, writeLink, type ChainState, type SigningHolder } from "./account_chain.ts";
import type { AccountKind } from "./chain_state.ts";
import { b64, unb64 } from "./codec.ts";
import { demand } from "./errors.ts";
import { holderFromSeed, type Holder, type HolderKind } from "./holder.ts";
import type { EncKey } from "./hpke.ts";
import type { AddedHolder, LinkContent } from "./link.ts";
import { systemRandom, type Random } from "./random.ts";
import { formatRecoveryCode, newRecoveryCode, recoverySeed } from "./recovery.ts";
import type { AccountId, Bytes, HolderId, Time } from "./suite.ts";
import { newUserSecret, openPrevious, openUserSecret, sealPrevious, sealUserSecret, type UserSecret } from "./user_secret.ts";

/** A user secret sealed for one holder (1,168 bytes). */
export type HolderBox = { readonly holder: HolderId; readonly generation: number; readonly box: Bytes };

/** The secret before `generation`, sealed under that generation (48 bytes). */
export type SealedPrevious = { readonly generation: number; readonly sealed: Bytes };

/** Links to send, what travels with them, and the chain once they are accepted. */
export type ChainUpdate = {
  readonly links: readonly Bytes[];
  readonly boxes: readonly HolderBox[];
  readonly previous: readonly SealedPrevious[];
  readonly chain: ChainState;
};

/** Every generation of the user secret that an unlocked account has: opens its boxes, old and new. */
export type UserSecrets = {
  /** The account id: what records call this member. */
  readonly member: AccountId;
  readonly newest: UserSecret;
  /** The X-Wing key of a generation, if this account has it. */
  readonly key: (generation: number) => EncKey | undefined;
  /** All generations, oldest first. */
  readonly all: readonly UserSecret[];
};

export type NewAccount = ChainUpdate & {
  readonly secrets: UserSecrets;
  /** To print or to write down: 7 groups of 4 letters. */
  readonly recoveryCode: string;
};

/** A new account: genesis by `device`, then a recovery holder, each with its box. */
export async function createAccount(
  request: {
    readonly device: Holder;
    readonly deviceName: string;
    readonly at: Time;
    readonly kind?: AccountKind;
    readonly recoveryName?: string;
  },
  random: Random = systemRandom,
): Promise<NewAccount> {
  const { device, deviceName, at, kind = "user", recoveryName = "" } = request;
  const secret = await newUserSecret(1, random);
  const holder = introduced(device, "device", deviceName);
  const uk = { enc: b64(secret.enc.public), generation: 1 };
  const genesis = await writeLink(null, { content: { type: "genesis", body: { kind, holder, uk } }, signer: device, at });
  const chain = await acceptLink(null, genesis);
  const code = newRecoveryCode(random);
  const added = await holderFromSeed(await recoverySeed(code));
  const update = await addHolder({ chain, signer: device, secret, added, kind: "recovery", name: recoveryName, at });
  return {
    links: [genesis, ...update.links],
    boxes: [await boxFor(secret, chain.account, device), ...update.boxes],
    previous: [],
    chain: update.chain,
    secrets: secretsOf(chain.account, [secret]),
    recoveryCode: await formatRecoveryCode(code),
  };
}

/** Add a way in (a device, a recovery code, a passkey): the added holder signs too and gets its box. */
export async function addHolder(request: {
  readonly chain: ChainState;
  readonly signer: SigningHolder;
  readonly secret: UserSecret;
  readonly added: Holder;
  readonly kind: HolderKind;
  readonly name: string;
  readonly at: Time;
}): Promise<ChainUpdate> {
  const { chain, signer, secret, added, kind, name, at } = request;
  const content: LinkContent = { type: "holder_add", body: { holder: introduced(added, kind, name) } };
  const link = await writeLink(chain, { content, signer, added, at });
  const box = await boxFor(secret, chain.account, added);
  return { links: [link], boxes: [box], previous: [], chain: await acceptLink(chain, link) };
}

export type ChainStep = { readonly chain: ChainState; readonly signer: SigningHolder; readonly at: Time };

/** A holder whose storage is gone or no longer used; no new secret is needed. */
export async function retireHolder(request: ChainStep & { readonly holder: HolderId }): Promise<ChainUpdate> {
  return append(request, { type: "holder_retire", body: { holder: request.holder } });
}

/** A stolen holder: revoked, and the user secret changed in the same step. */
export async function revokeHolder(
  request: ChainStep & { readonly holder: HolderId; readonly secret: UserSecret },
  random: Random = systemRandom,
): Promise<ChainUpdate & { readonly secret: UserSecret }> {
  const revoked = await append(request, { type: "holder_revoke", body: { holder: request.holder } });
  const rotated = await rotateUserSecret({ ...request, chain: revoked.chain }, random);
  return { ...rotated, links: [...revoked.links, ...rotated.links] };
}

/** A new generation: a box for each active holder, and the old secret sealed under the new. */
export async function rotateUserSecret(
  request: ChainStep & { readonly secret: UserSecret },
  random: Random = systemRandom,
): Promise<ChainUpdate & { readonly secret: UserSecret }> {
  const { chain, secret: older } = request;
  const secret = await newUserSecret(chain.generation + 1, random);
  const uk = { enc: b64(secret.enc.public), generation: secret.generation };
  const update = await append(request, { type: "uk_rotate", body: { uk } });
  const boxes = await Promise.all(
    activeHolders(chain).map((holder) => boxFor(secret, chain.account, { id: holder.id, encPublic: unb64(holder.enc) })),
  );
  const sealed = await sealPrevious(secret, older, chain.account);
  return { ...update, boxes, previous: [{ generation: secret.generation, sealed }], secret };
}

/** Carry a certificate in the chain. */
export async function attest(request: ChainStep & { readonly certificate: Bytes }): Promise<ChainUpdate> {
  return append(request, { type: "attest", body: { certificate: b64(request.certificate) } });
}

export async function addDelegate(
  request: ChainStep & { readonly account: AccountId; readonly scope: "read" | "write"; readonly until: Time | null },
): Promise<ChainUpdate> {
  const { account, scope, until } = request;
  return append(request, { type: "delegate_add", body: { account, scope, until } });
}

export async function removeDelegate(request: ChainStep & { readonly account: AccountId }): Promise<ChainUpdate> {
  return append(request, { type: "delegate_remove", body: { account: request.account } });
}

/**
 * Unlock: open this holder's box, then walk the earlier generations. Each is checked against the chain (`forged_box`).
 * `generation` is that of the box; `previous` may come in any order and lack old generations.
 */
export async function unlock(request: {
  readonly chain: ChainState;
  readonly holder: Holder;
  readonly box: Bytes;
  readonly generation: number;
  readonly previous: readonly SealedPrevious[];
}): Promise<UserSecrets> {
  const { chain, holder, box, generation, previous } = request;
  const place = { account: chain.account, generation };
  let secret = await openUserSecret(box, place, holder, expectedKey(chain, generation));
  const all = [secret];
  for (let g = generation; g > 1; g--) {
    const link = previous.find((one) => one.generation === g);
    if (link === undefined) break;
    secret = await openPrevious(link.sealed, secret, chain.account, expectedKey(chain, g - 1));
    all.unshift(secret);
  }
  return secretsOf(chain.account, all);
}

/** The secrets after a rotation: `older` and the new generation. */
export function withNewer(older: UserSecrets, newer: UserSecret): UserSecrets {
  return secretsOf(older.member, [...older.all, newer]);
}

export function secretsOf(account: AccountId, all: readonly UserSecret[]): UserSecrets {
  const newest = all.at(-1);
  demand(newest !== undefined, "forged_box", "an account without a secret");
  const byGeneration = new Map(all.map((secret) => [secret.generation, secret.enc]));
  return { member: account, newest, key: (generation) => byGeneration.get(generation), all };
}

async function append(step: ChainStep, content: LinkContent): Promise<ChainUpdate> {
  const link = await writeLink(step.chain, { content, signer: step.signer, at: step.at });
  return { links: [link], boxes: [], previous: [], chain: await acceptLink(step.chain, link) };
}

async function boxFor(
  secret: UserSecret,
  account: AccountId,
  holder: { readonly id: HolderId; readonly encPublic: Bytes },
): Promise<HolderBox> {
  const box = await sealUserSecret(secret, account, { id: holder.id, enc: holder.encPublic });
  return { holder: holder.id, generation: secret.generation, box };
}

function introduced(holder: Holder, kind: HolderKind, name: string): AddedHolder {
  return { enc: b64(holder.encPublic), kind, name, sign: b64(holder.signPublic) };
}

function expectedKey(chain: ChainState, generation: number): string {
  const key = userKey(chain, generation);
  demand(key !== undefined, "forged_box", "a generation that the chain does not know");
  return key;
}

