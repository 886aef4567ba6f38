/**
 * Was this device removed from its account? The server's word is not enough: only the account's own chain, signed by
 * another of its holders, can say so (docs/spec/protocol.md 5.6). Fetched when a session cannot be renewed.
 */

import { b64, unb64 } from "../protocol/codec.ts";
import { signSession } from "../protocol/session.ts";
import type { Ground, Opened } from "./session.ts";

/** True: a link that was verified here ends this device. Whatever goes wrong, or does not check: false. */
export async function isRemoved({ api }: Pick<Ground, "api">, { device, accounts }: Pick<Opened, "device" | "accounts">): Promise<boolean> {
  const { keys, record } = device;
  try {
    const known = await accounts.known(record.account);
    if (known === undefined) return false;
    if (hasEnded(known, keys.id)) return true;
    const { challenge } = await api.challenge(keys.id);
    const signature = b64(await signSession(keys, { server: record.server, challenge }));
    const { links } = await api.endOfHolder({ holder: keys.id, challenge, signature, after: known.position });
    const fresh = links.map((link) => unb64(link));
    return fresh.length > 0 && hasEnded(await accounts.accept(record.account, fresh, known.position + 1), keys.id);
  } catch {
    return false;
  }
}

type Ending = { readonly holders: ReadonlyMap<string, { readonly endedAt: number | null }> };

function hasEnded({ holders }: Ending, id: string): boolean {
  const held = holders.get(id);
  return held !== undefined && held.endedAt !== null;
}
