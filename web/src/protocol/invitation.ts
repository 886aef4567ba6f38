/**
 * Invitations: a secret that stands for somebody who has no account yet. Source: docs/spec/protocol.md 9.
 */

import { argon2idAsync } from "@noble/hashes/argon2.js";

import * as aead from "./aead.ts";
import { b64, concat, unb64, utf8 } from "./codec.ts";
import { grouped, spell, tidy, unspell } from "./codes.ts";
import { demand, ProtocolError } from "./errors.ts";
import { keysFromSeed } from "./holder.ts";
import type { EncKey } from "./hpke.ts";
import { hash, kdf, kdfKeyAndNonce } from "./kdf.ts";
import { systemRandom, type Random } from "./random.ts";
import { signLabelled, type SignKey } from "./sign.ts";
import { HASH, SEED, type AccountId, type B64, type Bytes, type MemberId, type Time } from "./suite.ts";

const SECRET = 16;
const INVITATION_ID = 16;
const PREFIX = 16;
const LINK = /^(?<url>[^#]+)\/i#1\.(?<secret>[A-Za-z0-9_-]+)\.(?<prefix>[A-Za-z0-9_-]+)$/;

/** Public side of an invite: what members seal boxes to (`enc`) and verify a claim with (`sign`). */
export type InvitePublic = { readonly sign: Bytes; readonly enc: Bytes };

/** Whoever has the secret has the invite's place until it is claimed. Opens its boxes like an account does. */
export type Invite = InvitePublic & {
  readonly secret: Bytes;
  /** Invitation id (b64, 16 bytes): what the server calls it. */
  readonly id: B64;
  readonly member: MemberId;
  readonly signKey: SignKey;
  readonly key: (generation: number) => EncKey | undefined;
};

/** Prove that whoever holds this invitation wants no account (docs/spec/protocol.md 9.5). */
export function signRefusal({ signKey, member }: Invite, conversation: B64): Promise<Bytes> {
  return signLabelled(signKey, "refuse", unb64(conversation), unb64(member));
}

/** Draw a new invitation. */
export async function newInvitation(random: Random = systemRandom): Promise<Invite> {
  return inviteFromSecret(random(SECRET));
}

/** All that follows from the 16-byte secret. */
export async function inviteFromSecret(secret: Bytes): Promise<Invite> {
  demand(secret.length === SECRET, "bad_format", "invitation secret of the wrong length");
  const [id, seed] = await Promise.all([
    invitationId(secret),
    kdf("invite/seed", secret, { length: SEED }),
  ]);
  const { sign, enc } = await keysFromSeed(seed);
  return {
    secret,
    id: b64(id),
    member: await inviteMember({ sign: sign.public, enc: enc.public }),
    sign: sign.public,
    enc: enc.public,
    signKey: sign,
    key: (generation) => (generation === 0 ? enc : undefined), // records give an invite generation 0
  };
}

/** Member id of an invite: `H("invite", sign_pk || enc_pk)`. */
export async function inviteMember(keys: InvitePublic): Promise<MemberId> {
  return b64(await hash("invite", keys.sign, keys.enc));
}

/** Refuse (`invitation_expired`) an invite past its time; the server asks, with its clock. */
export function demandOpen(place: { readonly expires: Time | null }, at: Time): void {
  demand(place.expires === null || at < place.expires, "invitation_expired", "the invitation is past its time");
}

/** What a link or a typed code carries. */
export type Carried = {
  readonly secret: Bytes;
  /** First 16 bytes (b64) of the inviting account's id: see `checkInviter`. */
  readonly inviterPrefix: B64;
};

/** The link; its fragment never reaches the server. */
export function invitationLink(
  publicUrl: string,
  { secret, inviter }: { readonly secret: Bytes; readonly inviter: AccountId },
): string {
  return `${publicUrl.replace(/\/+$/, "")}/i#1.${b64(secret)}.${inviterPrefix(inviter)}`;
}

/** Read a link; refuses with `bad_code` what is not of its form. */
export function readInvitationLink(link: string): Carried & { readonly publicUrl: string } {
  const { url, secret, prefix } = LINK.exec(link.trim())?.groups ?? {};
  demand(url !== undefined && secret !== undefined && prefix !== undefined, "bad_code", "not an invitation link");
  try {
    unb64(prefix, PREFIX);
    return { publicUrl: url, secret: unb64(secret, SECRET), inviterPrefix: prefix };
  } catch {
    throw new ProtocolError("bad_code", "not an invitation link");
  }
}

/** First 16 bytes of an account id, b64. */
export function inviterPrefix(inviter: AccountId): B64 {
  return b64(unb64(inviter, HASH).slice(0, PREFIX));
}

const CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const CODE_LETTERS = 12;
const CODE_SALT = 16;
const LOCATOR = 16;
const STRETCHED = 48;
/** Argon2id: 64 MiB, 3 passes, 1 lane. */
const STRETCHING = { m: 65_536, t: 3, p: 1, dkLen: STRETCHED } as const;

/** 60 random bits as 12 letters and one check letter, shown `XXXX-XXXX-XXXX-X`. */
export async function newInvitationCode(random: Random = systemRandom): Promise<string> {
  return formatInvitationCode(spell(CODE_ALPHABET, random(8), CODE_LETTERS));
}

/** Twelve letters as they are shown, with their check letter. */
export async function formatInvitationCode(letters: string): Promise<string> {
  return grouped(letters + (await checkLetter(letters)), 4);
}

/** The 12 letters of a typed code; refuses with `bad_code` or `bad_check`, before anything is sent. */
export async function readInvitationCode(typed: string): Promise<string> {
  const letters = tidy(typed);
  demand(letters.length === CODE_LETTERS + 1, "bad_code", "invitation code of the wrong length");
  unspell(CODE_ALPHABET, letters);
  const code = letters.slice(0, CODE_LETTERS);
  demand((await checkLetter(code)) === letters.slice(CODE_LETTERS), "bad_check", "the check letter differs");
  return code;
}

export type StretchedCode = {
  /** What finds the box on the server (b64, 16 bytes). */
  readonly locator: B64;
  /** What opens it (32 bytes). */
  readonly opener: Bytes;
};

/**
 * Stretch a code as typed: Argon2id over 64 MiB, a second or several of one core. Meant for a worker; `onProgress` is told
 * a share from 0 to 1. `salt` is the server's `code_salt` (16 bytes).
 */
export async function stretchCode(
  typed: string,
  salt: Bytes,
  onProgress?: (share: number) => void,
): Promise<StretchedCode> {
  demand(salt.length === CODE_SALT, "bad_format", "salt of the wrong length");
  const code = await readInvitationCode(typed);
  const options = onProgress === undefined ? STRETCHING : { ...STRETCHING, onProgress };
  const stretched = concat(await argon2idAsync(utf8(code), salt, options));
  return { locator: b64(stretched.slice(0, LOCATOR)), opener: stretched.slice(LOCATOR) };
}

/** The 48-byte box that lies on the server: secret and inviter, for whoever types the code. */
export async function sealCodeBox(
  stretched: StretchedCode,
  invite: { readonly id: B64; readonly secret: Bytes },
  inviter: AccountId,
): Promise<Bytes> {
  const content = concat(invite.secret, unb64(inviterPrefix(inviter)));
  return aead.seal(await kdfKeyAndNonce("code/box", stretched.opener), content, unb64(invite.id, INVITATION_ID));
}

/** Open the box of the invitation with this id. Refuses: `open_failed`, and `bad_format` for the secret of another. */
export async function openCodeBox(stretched: StretchedCode, id: B64, box: Bytes): Promise<Carried> {
  const by = await kdfKeyAndNonce("code/box", stretched.opener);
  const content = await aead.open(by, box, unb64(id, INVITATION_ID));
  demand(content.length === SECRET + PREFIX, "open_failed", "the box of the code holds something else");
  const secret = content.slice(0, SECRET);
  demand(b64(await invitationId(secret)) === id, "bad_format", "the secret of another invitation");
  return { secret, inviterPrefix: b64(content.slice(SECRET)) };
}

async function invitationId(secret: Bytes): Promise<Bytes> {
  return kdf("invite/id", secret, { length: INVITATION_ID });
}

async function checkLetter(code: string): Promise<string> {
  return spell(CODE_ALPHABET, await hash("code/check", utf8(code)), 1);
}
