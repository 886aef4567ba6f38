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
    let known = await accounts.known(record.account);
    while (known !== undefined && !hasEnded(known, keys.id)) {
      const { challenge } = await api.challenge(keys.id);
      const signature = b64(await signSession(keys, { server: record.server, challenge }));
      const { links } = await api.endOfHolder({ holder: keys.id, challenge, signature, after: known.position });
      if (links.length === 0) return false;
      known = await accounts.accept(record.account, links.map((link) => unb64(link)), known.position + 1);
    }
    return known !== undefined;
  } catch {
    return false;
  }
}

type Ending = { readonly holders: ReadonlyMap<string, { readonly endedAt: number | null }> };

function hasEnded({ holders }: Ending, id: string): boolean {
  const held = holders.get(id);
  return held !== undefined && held.endedAt !== null;
}
