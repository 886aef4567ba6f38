/**
 * Opening a session with a holder's signature. Source: docs/spec/protocol.md 10.
 */

import { unb64 } from "./codec.ts";
import { signLabelled, type Signer } from "./sign.ts";
import { HOLDER_ID, type B64, type Bytes, type HolderId } from "./suite.ts";

const SERVER_ID = 16;
const CHALLENGE = 32;

export type SessionChallenge = { readonly server: B64; readonly challenge: B64 };

/** 64 bytes over server id 16 || challenge 32 || holder id 16. The challenge is single use and lives 60 s. */
export async function signSession(holder: Signer & { readonly id: HolderId }, asked: SessionChallenge): Promise<Bytes> {
  const server = unb64(asked.server, SERVER_ID);
  const challenge = unb64(asked.challenge, CHALLENGE);
  return signLabelled(holder, "session", server, challenge, unb64(holder.id, HOLDER_ID));
}
