/**
 * Sixty digits that two people compare to know that nobody stands between them. Source: docs/spec/protocol.md 5.5.
 */

import { unb64 } from "./codec.ts";
import { hash } from "./kdf.ts";
import { HASH, type AccountId, type Bytes } from "./suite.ts";

const GROUPS = 6;
const GROUP_BYTES = 5;
const GROUP_DIGITS = 5;

/** The number of two accounts, the same on both sides: twelve groups of five digits joined by a space. */
export async function safetyNumber(mine: AccountId, theirs: AccountId): Promise<string> {
  const accounts = [unb64(mine, HASH), unb64(theirs, HASH)].sort(compareBytes);
  const halves = await Promise.all(accounts.map(groupsOf));
  return halves.flat().join(" ");
}

async function groupsOf(account: Bytes): Promise<readonly string[]> {
  const hashed = await hash("safety-number", account);
  return Array.from({ length: GROUPS }, (_, i) => {
    const bytes = hashed.slice(i * GROUP_BYTES, (i + 1) * GROUP_BYTES);
    const number = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
    return String(number % 10 ** GROUP_DIGITS).padStart(GROUP_DIGITS, "0");
  });
}

function compareBytes(a: Bytes, b: Bytes): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}
