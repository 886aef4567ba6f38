"""What a rule refuses, by its stable code. Source: docs/spec/errors.md."""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """A rule refused. ``code`` is stable; ``detail`` is a sentence for people; ``extra`` joins the problem document."""

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class BadRequestError(DomainError):
    code = "bad_request"


class UnauthenticatedError(DomainError):
    code = "unauthenticated"


class SignatureRefusedError(DomainError):
    code = "signature_refused"


class NotPermittedError(DomainError):
    code = "not_permitted"


class StartNotAllowedError(DomainError):
    code = "start_not_allowed"


class ReplyNotAllowedError(DomainError):
    code = "reply_not_allowed"


class PatientBlockedError(DomainError):
    code = "patient_blocked"


class PatientLeftError(DomainError):
    code = "patient_left"


class UnlockerMissingError(DomainError):
    code = "unlocker_missing"


class CsrfError(DomainError):
    code = "csrf"


class NotFoundError(DomainError):
    """Not there, or not for you: nobody can tell which, so it never carries a detail."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__()


class InvitationUnknownError(DomainError):
    code = "invitation_unknown"


class StaleEpochError(DomainError):
    code = "stale_epoch"


class StaleHeadError(DomainError):
    code = "stale_head"


class AlreadyReadError(DomainError):
    code = "already_read"


class LastOwnerError(DomainError):
    code = "last_owner"


class AttachmentExistsError(DomainError):
    code = "attachment_exists"


class OffsetConflictError(DomainError):
    code = "offset_conflict"


class ActivationInvalidError(DomainError):
    code = "activation_invalid"


class InvitationUsedError(DomainError):
    code = "invitation_used"


class InvitationExpiredError(DomainError):
    code = "invitation_expired"


class InvitationReplacedError(DomainError):
    code = "invitation_replaced"


class InvitationRefusedError(DomainError):
    code = "invitation_refused"


class EnvelopeTooLargeError(DomainError):
    code = "envelope_too_large"


class AttachmentTooLargeError(DomainError):
    code = "attachment_too_large"


class RequestTooLargeError(DomainError):
    code = "request_too_large"


class UnsupportedMediaTypeError(DomainError):
    code = "unsupported_media_type"


class RangeNotSatisfiableError(DomainError):
    code = "range_not_satisfiable"


class AttachmentUnknownError(DomainError):
    code = "attachment_unknown"


class AttachmentEmptyError(DomainError):
    code = "attachment_empty"


class QuotaExceededError(DomainError):
    code = "quota_exceeded"


class WrongConversationError(DomainError):
    code = "wrong_conversation"


class TooManyTriesError(DomainError):
    """``retry_after``: seconds until the next try counts."""

    code = "too_many_tries"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"wait {retry_after} seconds", retry_after=retry_after)  # a live socket has no headers
        self.retry_after = retry_after


class UnavailableError(DomainError):
    code = "unavailable"


class StorageFullError(DomainError):
    code = "storage_full"


class ProtocolRefusalError(DomainError):
    """A check of the protocol failed; ``code`` is one of docs/spec/protocol.md 13."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail)
        self.code = code  # type: ignore[misc]  # the one error whose code is not its class
