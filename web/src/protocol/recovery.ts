/**
 * The recovery code: 128 random bits that a person can print. Source: docs/spec/protocol.md 3.1.
 */

import { concat } from "./codec.ts";
import { grouped, spell, tidy, unspell } from "./codes.ts";
import { demand } from "./errors.ts";
import { hash, kdf } from "./kdf.ts";
import { systemRandom, type Random } from "./random.ts";
import { SEED, type Bytes } from "./suite.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const RANDOM = 16;
/** 26 letters hold 130 bits: two zero bits, then the 128. */
const LEADING = 2;
const LETTERS = 26;
const CHECK = 2;

/** 16 random bytes: the code before it is spelled. */
export function newRecoveryCode(random: Random = systemRandom): Bytes {
  return random(RANDOM);
}

/** 28 letters in 7 groups of 4, with `-` between. */
export async function formatRecoveryCode(code: Bytes): Promise<string> {
  demand(code.length === RANDOM, "bad_format", "recovery code of the wrong length");
  return grouped(spell(ALPHABET, code, LETTERS, LEADING) + (await check(code)), 4);
}

/** What a person typed, back to 16 bytes; refuses with `bad_code` or `bad_check`, before anything is sent. */
export async function readRecoveryCode(typed: string): Promise<Bytes> {
  const letters = tidy(typed).replace(/[IL]/g, "1").replace(/O/g, "0");
  demand(letters.length === LETTERS + CHECK, "bad_code", "recovery code of the wrong length");
  unspell(ALPHABET, letters.slice(LETTERS)); // a letter outside the alphabet is bad_code, also among the check letters
  const code = unspell(ALPHABET, letters.slice(0, LETTERS), LEADING);
  demand((await check(code)) === letters.slice(LETTERS), "bad_check", "check letters differ");
  return code;
}

/** The 32-byte seed of the recovery holder. */
export async function recoverySeed(code: Bytes): Promise<Bytes> {
  return kdf("recovery/seed", concat(code), { length: SEED });
}

async function check(code: Bytes): Promise<string> {
  return spell(ALPHABET, await hash("recovery/check", code), CHECK);
}
