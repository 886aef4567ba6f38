/**
 * What the operator has checked about a professional, under the registry key. Source: docs/spec/protocol.md 5.4.
 */

import { encodeCanonical, readSigned, writeSigned } from "./codec.ts";
import { demand } from "./errors.ts";
import * as shape from "./shape.ts";
import { signLabelled, verifyLabelled, type Signer } from "./sign.ts";
import { HASH, VERSION, type AccountId, type Bytes } from "./suite.ts";

const CONTROL = /\p{Cc}/u;
const RPPS = /^[0-9]{11}$/;
const PROFESSION = /^[0-9]{2,3}$/;

const body = shape.object({
  account: shape.bytes(HASH),
  at: shape.integer(0),
  identifier: shape.text(11, 11),
  name: shape.text(120, 1),
  profession: shape.text(3, 2),
  source: shape.oneOf("operator"),
  type: shape.oneOf("professional"),
  v: shape.integer(0),
});

export type Certificate = ReturnType<typeof body>;

/** Read without verifying: what the account chain does before it accepts an `attest`. */
export function readCertificate(wire: Bytes): Certificate {
  return parse(wire).certificate;
}

/** Verify under the pinned registry key. Refuses: `bad_format`, `unknown_version`, `bad_signature`, `wrong_account`. */
export async function openCertificate(wire: Bytes, registryKey: Bytes, account: AccountId): Promise<Certificate> {
  const { certificate, signed } = parse(wire);
  const [signature] = signed.signatures;
  const valid = signature !== undefined && (await verifyLabelled(registryKey, signature, "certificate", signed.body));
  demand(valid, "bad_signature", "not the registry's signature");
  demand(certificate.account === account, "wrong_account", "certificate of another account");
  return certificate;
}

/** Sign a certificate with the registry key: for tests and tools, a server does it in production. */
export async function signCertificate(registry: Signer, certificate: Certificate): Promise<Bytes> {
  const bytes = encodeCanonical(certificate);
  return writeSigned(bytes, [await signLabelled(registry, "certificate", bytes)]);
}

function parse(wire: Bytes): { certificate: Certificate; signed: ReturnType<typeof readSigned> } {
  const signed = readSigned(wire);
  demand(signed.signatures.length === 1, "bad_format", "a certificate has one signature");
  const certificate = body(signed.value);
  demand(certificate.v === VERSION, "unknown_version", "version of the certificate");
  demand(!CONTROL.test(certificate.name), "bad_format", "control character in a name");
  demand(PROFESSION.test(certificate.profession), "bad_format", "not a profession code");
  demand(RPPS.test(certificate.identifier) && luhn(certificate.identifier), "bad_format", "not an RPPS number");
  return { certificate, signed };
}

/** ISO/IEC 7812-1: every second digit from the right doubled, the sum a multiple of ten. */
function luhn(digits: string): boolean {
  const sum = Array.from(digits)
    .reverse()
    .map((digit, place) => Number(digit) * (place % 2 === 1 ? 2 : 1))
    .reduce((total, value) => total + (value > 9 ? value - 9 : value), 0);
  return sum % 10 === 0;
}

