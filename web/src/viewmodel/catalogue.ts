/**
 * Every key that a view model may hand out, so that a catalogue can be checked for completeness.
 * Error codes are those of docs/spec/errors.md and docs/spec/protocol.md 13, and the few that only a browser knows.
 */

export const PROTOCOL_CODES = [
  "bad_format", "unknown_version", "not_next", "wrong_account", "unknown_signer", "bad_signature", "weak_key", "rule",
  "rollback", "fork", "bad_code", "bad_check", "forged_box", "wrong_commit", "bad_device", "wrong_member_key",
  "stale_key", "not_permitted", "unknown_epoch", "open_failed", "wrong_kind", "old_epoch", "withheld",
  "mirror_mismatch", "wrong_inviter", "invitation_expired",
] as const;

export const SERVER_CODES = [
  "bad_request", "unauthenticated", "signature_refused", "start_not_allowed", "reply_not_allowed", "unlocker_missing",
  "patient_blocked", "patient_left", "invitation_refused",
  "csrf", "not_found", "invitation_unknown", "method_not_allowed", "stale_epoch", "stale_head", "already_read",
  "last_owner", "attachment_exists", "offset_conflict", "activation_invalid", "invitation_used", "invitation_replaced",
  "envelope_too_large", "attachment_too_large", "request_too_large", "unsupported_media_type",
  "range_not_satisfiable", "attachment_unknown", "wrong_conversation", "too_many_tries", "internal", "unavailable",
  "storage_full", "attachment_empty", "quota_exceeded",
] as const;

/** Found on this device, before or without the server. */
export const LOCAL_CODES = [
  /** The server did not answer; nothing is lost, it is tried again. */
  "network",
  /** A mistake of this program; the text is kept. */
  "unexpected",
  /** No Ed25519 in WebCrypto: update the browser. */
  "unsupported_browser",
  /** No IndexedDB (private window of some browsers), or the disk is full. */
  "storage_unavailable",
  "file_empty",
  "file_unreadable",
  "too_many_files",
  "text_too_long",
  "passkey_cancelled",
  /** The passkey cannot keep a secret (no PRF); the recovery code works. */
  "passkey_unsuitable",
  "passkey_unknown",
  /** Well written, but it opens no account of this server: replaced, or of another server. */
  "recovery_unknown",
  /** The server shows another registry key than at first contact: an alarm. */
  "registry_changed",
  /** Another account is open on this device; it is closed only when the person says so. */
  "device_in_use",
  /** This device was removed from the account; unlock again with the recovery code. */
  "device_removed",
  /** The content was written by a newer version of Pli. */
  "newer_version",
  /** Written for an epoch this account has no key of (joined later, without history). */
  "before_joining",
  /** A document of a letter opens once the account is made. */
  "account_first",
  /** The server no longer keeps it: its message is older than what it keeps. */
  "document_gone",
] as const;

export const ALARMS: ReadonlySet<string> = new Set([
  "rollback", "fork", "forged_box", "wrong_commit", "wrong_member_key", "withheld", "mirror_mismatch", "wrong_inviter",
  "registry_changed",
]);

/**
 * Phrases with their parameters. `{name}`: a person's name; `{by}`: who did it; `{at}`, `{until}`: milliseconds, to be
 * formatted by the view; `{count}`: a number.
 */
export const PHRASES = {
  // the sentence above the composer
  "reply.open": [],
  "reply.open.professional": [],
  "reply.until": ["until"],
  "reply.until.professional": ["until"],
  "reply.passed": ["until", "by"],
  "reply.passed.professional": ["until"],
  "reply.none": ["by"],
  "reply.none.professional": [],
  "reply.ended": ["by", "at"],
  "reply.ended.professional": ["by", "at"],
  "reply.refused.left": [],
  "reply.refused.blocked": [],
  // notices between the messages
  "notice.created": ["by"],
  "notice.added": ["by", "name"],
  "notice.added.history": ["by", "name"],
  "notice.removed": ["by", "name"],
  "notice.joined": ["name"],
  "notice.left": ["name"],
  "notice.refused": ["name"],
  "notice.blocked": ["by", "name"],
  "notice.unblocked": ["by", "name"],
  "notice.rotated": [],
  "notice.reinvited": ["by", "name"],
  "notice.ended": ["by"],
  "notice.ended.reason": ["by", "reason"],
  "notice.reopened": ["by"],
  "notice.retracted": ["by"],
  "notice.named": ["name"],
  "notice.trimmed": ["at"],
  // the access journal
  "access.joined": ["name"],
  "access.gone": ["name"],
  "access.opened": ["name"],
  "access.read": ["name"],
  "access.document_opened": ["name"],
  "access.document_received": ["name"],
  // newest thing of an inbox row, when it is not a text
  "preview.document": ["count"],
  "preview.ended": ["by"],
  "preview.retracted": ["by"],
  "preview.unreadable": [],
  "preview.appointment": [],
  "preview.empty": [],
} as const satisfies Record<string, readonly string[]>;

export type PhraseKey = keyof typeof PHRASES;
