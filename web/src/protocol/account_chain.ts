/**
 * The account chain: who may open and speak for an account, accepted link by link. Source: docs/spec/protocol.md 5.
 */

import type { ChainState } from "./chain_state.ts";
import { unb64, writeSigned } from "./codec.ts";
import { demand } from "./errors.ts";
import { demandEncKey } from "./hpke.ts";
import { addedHolderId, linkHash, readLink, signatureOf, writeLinkBody, type AddedHolder, type Link, type LinkContent } from "./link.ts";
import { apply, begin } from "./link_rules.ts";
import { demandStrongSignKey, signLabelled, verifyLabelled, type Signer } from "./sign.ts";
import { MAX_LINKS, type B64, type Bytes, type HolderId, type Time } from "./suite.ts";

export * from "./chain_state.ts";

/** Accept a whole chain from its genesis. */
export async function acceptChain(wires: readonly Bytes[]): Promise<ChainState> {
  const [first, ...rest] = wires;
  demand(first !== undefined, "bad_format", "an empty chain");
  let state = await acceptLink(null, first);
  for (const wire of rest) state = await acceptLink(state, wire);
  return state;
}

/**
 * Accept what a server now calls the chain of an account of which `known` was accepted before; the first wire has
 * position `from` (0 when the server sent the whole chain). Another link in a known place is a `fork`, an answer that
 * ends below the known head a `rollback`.
 */
export async function extendChain(
  known: ChainState,
  wires: readonly Bytes[],
  from = known.position + 1,
): Promise<ChainState> {
  let state = known;
  for (const [i, wire] of wires.entries()) {
    const position = from + i;
    if (position > known.position) state = await acceptLink(state, wire);
    else await demandKnown(known, wire, position);
  }
  demand(from + wires.length > known.position, "rollback", "the chain ends below the known head");
  return state;
}

async function demandKnown(known: ChainState, wire: Bytes, position: number): Promise<void> {
  const same = (await linkHash(wire)) === known.heads[position];
  // The genesis is the account: another one is no fork of it, but somebody else.
  demand(same || position > 0, "wrong_account", "the chain of another account");
  demand(same, "fork", "another link in a known place");
}

/** Accept one link on a state (`null` before the genesis); refusals in the order of docs/spec/protocol.md 5.3. */
export async function acceptLink(state: ChainState | null, wire: Bytes): Promise<ChainState> {
  const link = await readLink(wire);
  demandNext(state, link);
  await demandSignatures(state, link);
  demandStrongKeys(link.content);
  demand(link.position < MAX_LINKS, "rule", "a chain has an end");
  if (state !== null) return apply(state, link);
  demand(link.content.type === "genesis", "rule", "a chain begins with a genesis");
  return begin(link, link.content.body);
}

export type SigningHolder = Signer & { readonly id: HolderId };

/** Wire bytes of the next link, signed; `added` co-signs when it is the holder that a `holder_add` brings. */
export async function writeLink(
  state: ChainState | null,
  entry: { readonly content: LinkContent; readonly signer: SigningHolder; readonly added?: Signer; readonly at: Time },
): Promise<Bytes> {
  const body = writeLinkBody({
    account: state?.account ?? null,
    position: state === null ? 0 : state.position + 1,
    previous: state?.head ?? null,
    signer: entry.signer.id,
    at: entry.at,
    content: entry.content,
  });
  const signers = entry.added === undefined ? [entry.signer] : [entry.signer, entry.added];
  return writeSigned(body, await Promise.all(signers.map((signer) => signLabelled(signer, "link", body))));
}

function demandNext(state: ChainState | null, link: Link): void {
  const position = state === null ? 0 : state.position + 1;
  demand(link.position === position, "not_next", "position of the link");
  demand(link.previous === (state?.head ?? null), "not_next", "previous link");
  demand(link.account === (state?.account ?? null), "wrong_account", "account of the link");
}

async function demandSignatures(state: ChainState | null, link: Link): Promise<void> {
  const signer = await signerKey(state, link);
  demand(await signed(link, 0, signer), "bad_signature", "signature of the signer");
  const { type, body } = link.content;
  const wanted = type === "holder_add" ? 2 : 1;
  demand(link.signed.signatures.length === wanted, "bad_signature", "an added holder signs too, and nobody else");
  if (type === "holder_add") demand(await signed(link, 1, body.holder.sign), "bad_signature", "signature of the added");
}

/** The key that must have signed: of an active holder, or for a genesis of the holder in it. */
async function signerKey(state: ChainState | null, link: Link): Promise<B64> {
  const holder = state === null ? await foundingHolder(link) : state.holders.get(link.signer);
  demand(holder?.endedAt === null, "unknown_signer", "not an active holder");
  return holder.sign;
}

async function foundingHolder(link: Link): Promise<(AddedHolder & { readonly endedAt: null }) | undefined> {
  if (link.content.type !== "genesis") return undefined;
  const { holder } = link.content.body;
  return (await addedHolderId(holder)) === link.signer ? { ...holder, endedAt: null } : undefined;
}

async function signed(link: Link, place: 0 | 1, key: B64): Promise<boolean> {
  return verifyLabelled(unb64(key), signatureOf(link.signed, place), "link", link.signed.body);
}

/** Keys are checked at the door, whatever brings them (`weak_key`). */
function demandStrongKeys(content: LinkContent): void {
  if (content.type === "genesis" || content.type === "holder_add") {
    demandStrongSignKey(unb64(content.body.holder.sign));
    demandEncKey(unb64(content.body.holder.enc));
  }
  if (content.type === "genesis" || content.type === "uk_rotate") demandEncKey(unb64(content.body.uk.enc));
}
