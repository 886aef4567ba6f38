import { b64, decodeCanonical, encodeCanonical, equal, readSigned, unb64, writeSigned } from "../codec.ts";
import { demand } from "../errors.ts";
import { holderFromSeed } from "../holder.ts";
import { demandEncKey, encKeyFromSeed } from "../hpke.ts";
import {
  formatInvitationCode,
  inviterPrefix,
  openCodeBox,
  readInvitationCode,
  sealCodeBox,
  stretchCode,
} from "../invitation.ts";
import { pad, padme, unpad } from "../padding.ts";
import { openPasskey, passkeyPrfInput, sealPasskey } from "../passkey.ts";
import { formatRecoveryCode, readRecoveryCode, recoverySeed } from "../recovery.ts";
import { signSession, verifySession } from "../session.ts";
import { demandStrongSignKey, verify } from "../sign.ts";
import {
  openOwnData,
  openPrevious,
  openUserSecret,
  sealOwnData,
  sealPrevious,
  userSecret,
} from "../user_secret.ts";
import type { Op, Values } from "./vector.ts";

type Ops = { readonly [op: string]: Op };

const codec: Ops = {
  b64: (v) => {
    const bytes = unb64(v.text("text"), v.has("size") ? v.number("size") : undefined);
    same(b64(bytes), v.text("text"));
    return { hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  },
  json: (v) => ({ bytes: b64(encodeCanonical(decodeCanonical(v.bytes("bytes")))) }),
  signed: (v) => {
    const { body, signatures } = readSigned(v.bytes("wire"));
    same(b64(writeSigned(body, signatures)), v.text("wire"));
    return { body: b64(body), signatures: signatures.map(b64) };
  },
  padme: (v) => ({ padded: padme(v.number("length")) }),
  pad: (v) => ({ padded: b64(pad(v.bytes("content"), v.bytes("trailer"))) }),
  unpad: (v) => {
    const { content, trailer } = unpad(v.bytes("padded"), v.number("trailer"));
    return { content: b64(content), trailer: b64(trailer) };
  },
};

const holders: Ops = {
  seed: async (v) => {
    const holder = await holderFromSeed(v.bytes("seed"));
    return { sign: b64(holder.signPublic), enc: b64(holder.encPublic), id: holder.id };
  },
  xwing: async (v) => ({ enc: b64((await encKeyFromSeed(v.bytes("seed"))).public) }),
  unseal: async (v) => {
    const key = await encKeyFromSeed(v.bytes("seed"));
    return { plaintext: b64(await key.open(v.bytes("info"), v.bytes("sealed"))) };
  },
  enc_key: (v) => {
    demandEncKey(v.bytes("public"));
    return {};
  },
  session: async (v) => {
    const holder = await holderFromSeed(v.bytes("seed"));
    const asked = { server: v.text("server"), challenge: v.text("challenge") };
    return { signature: b64(await signSession(holder, asked)) };
  },
  session_verify: async (v) => {
    const holder = { id: v.text("holder"), signPublic: v.bytes("public") };
    await verifySession(holder, { server: v.text("server"), challenge: v.text("challenge") }, v.bytes("signature"));
    return {};
  },
};

const codes: Ops = {
  recovery: async (v) => {
    const code = await readRecoveryCode(v.text("typed"));
    const holder = await holderFromSeed(await recoverySeed(code));
    return { secret: b64(code), text: await formatRecoveryCode(code), holder: holder.id };
  },
  typed: async (v) => ({ text: await formatInvitationCode(await readInvitationCode(v.text("typed"))) }),
  stretch: async (v) => {
    const { locator, opener } = await stretchCode(v.text("typed"), v.bytes("salt"));
    return { locator, key: b64(opener) };
  },
  code_box: async (v) => {
    const stretched = { locator: "", opener: v.bytes("key") };
    const { secret, inviterPrefix: prefix } = await openCodeBox(stretched, v.text("invitation"), v.bytes("box"));
    const inviter = b64(new Uint8Array([...unb64(prefix), ...new Uint8Array(16)]));
    same(inviterPrefix(inviter), prefix);
    const again = await sealCodeBox(stretched, { id: v.text("invitation"), secret }, inviter);
    same(b64(again), v.text("box"));
    return { secret: b64(secret), inviter: prefix };
  },
};

const user_secret: Ops = {
  derive: async (v) => {
    const secret = await userSecret(1, v.bytes("uks"));
    return { uk: b64(secret.enc.public), us: b64(secret.own) };
  },
  open_box: async (v) => {
    const place = { account: v.text("account"), generation: v.number("generation") };
    const holder = await holderFromSeed(v.bytes("seed"));
    return { uks: b64((await openUserSecret(v.bytes("box"), place, holder, v.text("uk"))).secret) };
  },
  seal_previous: async (v) => {
    const newer = await userSecret(v.number("generation"), v.bytes("newer"));
    const older = await userSecret(newer.generation - 1, v.bytes("older"));
    return { sealed: b64(await sealPrevious(newer, older, v.text("account"))) };
  },
  open_previous: async (v) => {
    const newer = await userSecret(v.number("generation"), v.bytes("newer"));
    return { uks: b64((await openPrevious(v.bytes("sealed"), newer, v.text("account"), v.text("uk"))).secret) };
  },
  seal_own: async (v) => {
    const { own } = await userSecret(1, v.bytes("uks"));
    return { sealed: b64(await sealOwnData(own, v.text("name"), v.bytes("data"), () => v.bytes("nonce"))) };
  },
  open_own: async (v) => {
    const { own } = await userSecret(1, v.bytes("uks"));
    return { data: b64(await openOwnData(own, v.text("name"), v.bytes("sealed"))) };
  },
};

const passkey: Ops = {
  prf_input: async () => ({ input: b64(await passkeyPrfInput()) }),
  unwrap: async (v: Values) => {
    const wrapped = await openPasskey(v.bytes("prf"), v.bytes("credential"), v.bytes("blob"));
    same(b64(await sealPasskey(v.bytes("prf"), v.bytes("credential"), wrapped)), v.text("blob"));
    return wrapped;
  },
};

const speccheck: Ops = {
  verify: async (v) => {
    const valid = await verify(v.bytes("public"), v.bytes("signature"), v.bytes("message"));
    demand(valid, "bad_signature", "verdict");
    return {};
  },
};

const small_order: Ops = {
  sign_key: (v) => {
    demandStrongSignKey(v.bytes("public"));
    return {};
  },
};

/** Making it again must give the same bytes. */
export function same(again: string, first: string): void {
  if (!equal(unb64(again), unb64(first))) throw new TypeError("made again, it is other bytes");
}

export const basicOps = { codec, holders, codes, user_secret, passkey, speccheck, small_order };
