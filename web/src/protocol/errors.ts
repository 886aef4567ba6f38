/**
 * What a check of the protocol can find wrong. Source: docs/spec/protocol.md 13.
 */

const CODES = [
  "bad_format", "unknown_version", "not_next", "wrong_account", "unknown_signer", "bad_signature", "weak_key", "rule",
  "rollback", "fork", "bad_code", "bad_check", "forged_box", "wrong_commit", "bad_device", "wrong_member_key", "stale_key",
  "not_permitted", "unknown_epoch", "open_failed", "wrong_kind", "old_epoch", "withheld", "mirror_mismatch",
  "wrong_inviter", "invitation_expired",
] as const;

export type ProtocolCode = (typeof CODES)[number];

const ALARMS: ReadonlySet<ProtocolCode> = new Set([
  "rollback", "fork", "forged_box", "wrong_commit", "wrong_member_key", "withheld", "mirror_mismatch", "wrong_inviter",
]);

const TYPING: ReadonlySet<ProtocolCode> = new Set(["bad_code", "bad_check"]);

/** A refusal. `detail` is for engineers: it names the rule, never a key, a name or a text. */
export class ProtocolError extends Error {
  readonly code: ProtocolCode;

  constructor(code: ProtocolCode, detail: string) {
    super(`${code}: ${detail}`);
    this.name = "ProtocolError";
    this.code = code;
  }

  /** Something between the people lies or is broken: stop, say so, send nothing there. */
  get alarm(): boolean {
    return ALARMS.has(this.code);
  }

  /** A typing error, found on the device. */
  get typing(): boolean {
    return TYPING.has(this.code);
  }
}

/** Refuse with `code` unless `holds`. */
export function demand(holds: boolean, code: ProtocolCode, detail: string): asserts holds {
  if (!holds) throw new ProtocolError(code, detail);
}

/** Run `attempt`; whatever it throws becomes `code` (no oracle: the cause is dropped). */
export async function refuseAs<T>(code: ProtocolCode, detail: string, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch {
    throw new ProtocolError(code, detail);
  }
}

export function isProtocolCode(text: string): text is ProtocolCode {
  return (CODES as readonly string[]).includes(text);
}
