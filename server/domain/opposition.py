"""What a patient may refuse, and what it means for whoever writes (product rule 4). Source: docs/spec/api.md 4.1."""

from __future__ import annotations

from enum import StrEnum

from server.domain.conversation import Role
from server.domain.errors import PatientBlockedError, PatientLeftError


class Refusal(StrEnum):
    """Why a message is refused for good: the code of docs/spec/errors.md."""

    PATIENT_BLOCKED = "patient_blocked"
    PATIENT_LEFT = "patient_left"


def refusal(role: Role, *, gone: bool, blocked: bool) -> Refusal | None:
    """Decide whether a message of a member of ``role`` is refused for good.

    ``gone``: the patient has left; ``blocked``: the patient takes nothing from this sender. The patient is never
    refused: it is the patient who refuses.
    """
    if role is Role.PATIENT:
        return None
    if gone:
        return Refusal.PATIENT_LEFT
    return Refusal.PATIENT_BLOCKED if blocked else None


def require_heard(role: Role, *, gone: bool, blocked: bool) -> None:
    """Refuse a message that the patient does not want.

    Raises:
        PatientLeftError, PatientBlockedError.

    """
    match refusal(role, gone=gone, blocked=blocked):
        case Refusal.PATIENT_LEFT:
            raise PatientLeftError("nobody is here any more whom this conversation is for")
        case Refusal.PATIENT_BLOCKED:
            raise PatientBlockedError("the patient takes nothing more from this account")
        case None:
            return
