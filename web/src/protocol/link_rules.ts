/**
 * What each type of link may do to a chain. Source: docs/spec/protocol.md 5.2.
 */

import { readCertificate } from "./certificate.ts";
import { activeHolders, delegateAt, newestUserKey, type ChainState, type HolderState } from "./chain_state.ts";
import { unb64 } from "./codec.ts";
import { demand, ProtocolError } from "./errors.ts";
import { addedHolderId, type AddedHolder, type AddedUserKey, type Link, type LinkBodies, type LinkContent } from "./link.ts";
import type { HolderId } from "./suite.ts";

type Genesis = LinkBodies["genesis"];

/** The state that a genesis begins. Refuses with `rule`. */
export async function begin(link: Link, body: Genesis): Promise<ChainState> {
  demand(body.holder.kind === "device", "rule", "an account begins with a device");
  demand(body.uk.generation === 1, "rule", "generations begin with 1");
  const holder = await addedState(body.holder, 0);
  return {
    account: link.hash,
    kind: body.kind,
    position: 0,
    head: link.hash,
    heads: [link.hash],
    holders: new Map([[holder.id, holder]]),
    userKeys: [{ ...body.uk, addedAt: 0 }],
    generation: 1,
    certificate: null,
    delegates: [],
    rotationDue: false,
  };
}

/** The state after a link that is in its place and well signed. Refuses with `rule`. */
export async function apply(state: ChainState, link: Link): Promise<ChainState> {
  const { content } = link;
  const { type } = content;
  if (type === "genesis") throw new ProtocolError("rule", "a genesis begins a chain");
  const allowedNow = !state.rotationDue || type === "holder_revoke" || type === "uk_rotate";
  demand(allowedNow, "rule", "after a revocation the user secret is changed first");
  const change = await changeOf(state, link, content);
  return { ...state, ...change, position: link.position, head: link.hash, heads: [...state.heads, link.hash] };
}

type Change = Exclude<LinkContent, { readonly type: "genesis" }>;

async function changeOf(state: ChainState, link: Link, { type, body }: Change): Promise<Partial<ChainState>> {
  switch (type) {
    case "holder_add":
      return addHolder(state, body.holder, link.position);
    case "holder_retire":
      return endHolder(state, link, body.holder, false);
    case "holder_revoke":
      return endHolder(state, link, body.holder, true);
    case "uk_rotate":
      return rotate(state, body.uk, link.position);
    case "attest":
      return attest(state, body);
    case "delegate_add":
      return addDelegate(state, body, link.position);
    case "delegate_remove":
      return removeDelegate(state, body, link.position);
  }
}

async function addHolder(state: ChainState, added: AddedHolder, position: number): Promise<Partial<ChainState>> {
  const holder = await addedState(added, position);
  demand(!state.holders.has(holder.id), "rule", "this holder id was used before");
  return { holders: new Map(state.holders).set(holder.id, holder) };
}

function endHolder(state: ChainState, link: Link, id: HolderId, revoked: boolean): Partial<ChainState> {
  const holder = state.holders.get(id);
  demand(holder?.endedAt === null, "rule", "not an active holder");
  demand(activeHolders(state).length > 1, "rule", "the last active holder stays");
  demand(!revoked || id !== link.signer, "rule", "nobody revokes itself");
  const ended = { ...holder, endedAt: link.position, revoked };
  const holders = new Map(state.holders).set(id, ended);
  return revoked ? { holders, rotationDue: true } : { holders };
}

function rotate(state: ChainState, added: AddedUserKey, position: number): Partial<ChainState> {
  demand(added.generation === newestUserKey(state).generation + 1, "rule", "generations are counted without a gap");
  demand(state.userKeys.every((key) => key.enc !== added.enc), "rule", "this user key was used before");
  const userKeys = [...state.userKeys, { ...added, addedAt: position }];
  return { userKeys, generation: added.generation, rotationDue: false };
}

function attest(state: ChainState, body: LinkBodies["attest"]): Partial<ChainState> {
  const certificate = unb64(body.certificate);
  demand(readCertificate(certificate).account === state.account, "rule", "certificate of another account");
  return { certificate };
}

function addDelegate(state: ChainState, body: LinkBodies["delegate_add"], addedAt: number): Partial<ChainState> {
  demand(body.account !== state.account, "rule", "nobody delegates to itself");
  demand(delegateAt(state, body.account, state.position) === undefined, "rule", "already a delegate");
  return { delegates: [...state.delegates, { ...body, addedAt, endedAt: null }] };
}

function removeDelegate(state: ChainState, body: LinkBodies["delegate_remove"], endedAt: number): Partial<ChainState> {
  const ending = delegateAt(state, body.account, state.position);
  demand(ending !== undefined, "rule", "not a delegate");
  return { delegates: state.delegates.map((one) => (one === ending ? { ...one, endedAt } : one)) };
}

async function addedState(added: AddedHolder, position: number): Promise<HolderState> {
  return { ...added, id: await addedHolderId(added), addedAt: position, endedAt: null, revoked: false };
}
