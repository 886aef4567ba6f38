/** WebAuthn with the PRF extension: a passkey that keeps a secret. Source: docs/spec/protocol.md 11. */

import { PasskeyError, type PasskeyResult, type Passkeys } from "./platform.ts";

const ES256 = -7;
const RS256 = -257;

type PrfResults = { readonly prf?: { readonly results?: { readonly first?: BufferSource } } };

export function browserPasskeys(random: (length: number) => Uint8Array<ArrayBuffer>): Passkeys {
  return {
    available,
    create: async ({ name, input }) => {
      const made = await create(name, input, random).catch(async (error: unknown) => {
        // Some authenticators refuse a registration that asks for PRF; without it the passkey is at least told apart.
        if (refusedByPerson(error)) throw new PasskeyError("refused");
        return create(name, null, random);
      });
      const created = result(made);
      // Many authenticators give the secret only at an assertion, not at creation.
      return created.prf === null && canPrf(made) ? get(input, random, created.credential) : created;
    },
    get: (input) => get(input, random, null),
  };
}

const NUMBER = /^\[|^\d+(\.\d+){3}$/;

async function available(): Promise<boolean> {
  // A passkey is bound to a name: a page under a bare number cannot have one.
  if (typeof PublicKeyCredential === "undefined" || NUMBER.test(location.hostname)) return false;
  try {
    return await PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable();
  } catch {
    return false;
  }
}

async function create(
  name: string,
  input: Uint8Array<ArrayBuffer> | null,
  random: (length: number) => Uint8Array<ArrayBuffer>,
): Promise<PublicKeyCredential> {
  const credential = await navigator.credentials.create({
    publicKey: {
      rp: { name: "Pli" },
      user: { id: random(32), name, displayName: name },
      challenge: random(32),
      pubKeyCredParams: [ES256, RS256].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: { residentKey: "required", userVerification: "required" },
      ...(input === null ? {} : { extensions: { prf: { eval: { first: input } } } }),
    },
  });
  return theOne(credential);
}

async function get(
  input: Uint8Array<ArrayBuffer>,
  random: (length: number) => Uint8Array<ArrayBuffer>,
  only: Uint8Array<ArrayBuffer> | null,
): Promise<PasskeyResult> {
  try {
    const credential = await navigator.credentials.get({
      publicKey: {
        challenge: random(32),
        userVerification: "required",
        ...(only === null ? {} : { allowCredentials: [{ type: "public-key", id: only }] }),
        extensions: { prf: { eval: { first: input } } },
      },
    });
    return result(theOne(credential));
  } catch {
    throw new PasskeyError("refused");
  }
}

function theOne(credential: Credential | null): PublicKeyCredential {
  if (credential === null) throw new PasskeyError("none");
  return credential as PublicKeyCredential;
}

function result(credential: PublicKeyCredential): PasskeyResult {
  const first = (credential.getClientExtensionResults() as PrfResults).prf?.results?.first;
  return {
    credential: new Uint8Array(credential.rawId),
    prf: first === undefined ? null : bytes(first),
  };
}

function canPrf(credential: PublicKeyCredential): boolean {
  const results = credential.getClientExtensionResults() as { readonly prf?: { readonly enabled?: boolean } };
  return results.prf?.enabled === true;
}

function refusedByPerson(error: unknown): boolean {
  return error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError");
}

function bytes(source: BufferSource): Uint8Array<ArrayBuffer> {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  return new Uint8Array(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
}
