/**
 * Opening a session with a holder's signature. Source: docs/spec/protocol.md 10.
 */

import { unb64 } from "./codec.ts";
import { demand } from "./errors.ts";
import { signLabelled, verifyLabelled, type Signer } from "./sign.ts";
import { HOLDER_ID, type B64, type Bytes, type HolderId } from "./suite.ts";

const SERVER_ID = 16;
const CHALLENGE = 32;

export type SessionChallenge = { readonly server: B64; readonly challenge: B64 };

/** 64 bytes over server id 16 || challenge 32 || holder id 16. The challenge is single use and lives 60 s. */
export async function signSession(holder: Signer & { readonly id: HolderId }, asked: SessionChallenge): Promise<Bytes> {
  return signLabelled(holder, "session", ...proof(asked, holder.id));
}

/** What a server does with the answer; refuses with `bad_signature`. */
export async function verifySession(
  holder: { readonly id: HolderId; readonly signPublic: Bytes },
  asked: SessionChallenge,
  signature: Bytes,
): Promise<void> {
  const valid = await verifyLabelled(holder.signPublic, signature, "session", ...proof(asked, holder.id));
  demand(valid, "bad_signature", "answer to the challenge");
}

function proof(asked: SessionChallenge, holder: HolderId): readonly Bytes[] {
  return [unb64(asked.server, SERVER_ID), unb64(asked.challenge, CHALLENGE), unb64(holder, HOLDER_ID)];
}
