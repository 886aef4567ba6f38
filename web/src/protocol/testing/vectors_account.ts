import { acceptChain, delegateAt, extendChain, newestUserKey, type ChainState } from "../account_chain.ts";
import { openCertificate } from "../certificate.ts";
import { b64, writeSigned } from "../codec.ts";
import { holderFromSeed } from "../holder.ts";
import { writeLinkBody, type LinkContent } from "../link.ts";
import { safetyNumber } from "../safety_number.ts";
import { signLabelled } from "../sign.ts";
import type { Op, Values } from "./vector.ts";

const account_chain: { readonly [op: string]: Op } = {
  replay: async (v) => described(await acceptChain(v.bytesList("links"))),
  reconcile: async (v) => {
    const known = await acceptChain(v.bytesList("known"));
    return { position: (await extendChain(known, v.bytesList("served"), 0)).position };
  },
  write: async (v) => ({ wire: b64(await written(v)) }),
  certificate: async (v) => {
    const read = await openCertificate(v.bytes("certificate"), v.bytes("registry"), v.text("account"));
    return { identifier: read.identifier, name: read.name, profession: read.profession };
  },
  safety_number: async (v) => ({ number: await safetyNumber(v.text("mine"), v.text("theirs")) }),
};

/** A link made again from its parts: signed by each seed in turn. */
async function written(v: Values): Promise<Uint8Array> {
  const place = v.values("place");
  const signers = await Promise.all(v.bytesList("seeds").map(holderFromSeed));
  const body = writeLinkBody({
    account: place.has("account") ? place.text("account") : null,
    position: place.number("position"),
    previous: place.has("previous") ? place.text("previous") : null,
    signer: signers[0]?.id ?? "",
    at: v.number("at"),
    content: { type: v.text("type"), body: v.raw("body") } as unknown as LinkContent,
  });
  return writeSigned(body, await Promise.all(signers.map((signer) => signLabelled(signer, "link", body))));
}

function described(chain: ChainState): object {
  const holders = [...chain.holders.values()].map(({ id, kind, name, addedAt, endedAt, revoked }) => ({
    id,
    kind,
    name,
    added_at: addedAt,
    ended_at: endedAt,
    revoked,
  }));
  const delegates = chain.delegates
    .filter((one) => delegateAt(chain, one.account, chain.position) === one)
    .map(({ account, scope, until }) => ({ account, scope, until }));
  return {
    account: chain.account,
    kind: chain.kind,
    position: chain.position,
    head: chain.head,
    generation: chain.generation,
    uk: newestUserKey(chain).enc,
    holders: holders.sort((a, b) => a.added_at - b.added_at),
    delegates: delegates.sort((a, b) => (a.account < b.account ? -1 : 1)),
    certificate: chain.certificate === null ? null : b64(chain.certificate),
    rotation_due: chain.rotationDue,
  };
}

export const accountOps = { account_chain };
