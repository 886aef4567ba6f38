/** Whatever goes wrong below becomes one code (docs/spec/errors.md, protocol.md 13, or a local one). */

import { Refused, Unreachable } from "../api/refusal.ts";
import { PasskeyError } from "../platform/platform.ts";
import { ProtocolError } from "../protocol/errors.ts";

/** A refusal found on this device. */
export class LocalRefusal extends Error {
  override readonly name = "LocalRefusal";
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function codeOf(error: unknown): string {
  if (error instanceof Refused || error instanceof ProtocolError || error instanceof LocalRefusal) return error.code;
  if (error instanceof Unreachable) return "network";
  if (error instanceof PasskeyError) return "passkey_cancelled";
  if (error instanceof DOMException && error.name === "QuotaExceededError") return "storage_unavailable";
  return "unexpected";
}

export function isAlarm(error: unknown): boolean {
  return (error instanceof ProtocolError && error.alarm) || codeOf(error) === "registry_changed";
}

/** The same thing may work later, unchanged. */
export function isPassing(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof Refused && error.passing);
}

export function retryAfterOf(error: unknown): number | null {
  return error instanceof Refused ? error.retryAfter : null;
}
