"""What the protocol refuses, as one error with a stable code."""

from typing import Final, Literal, Never, get_args

Code = Literal[
    "bad_format",
    "unknown_version",
    "not_next",
    "wrong_account",
    "unknown_signer",
    "bad_signature",
    "weak_key",
    "rule",
    "rollback",
    "fork",
    "bad_code",
    "bad_check",
    "forged_box",
    "wrong_commit",
    "bad_device",
    "wrong_member_key",
    "stale_key",
    "not_permitted",
    "unknown_epoch",
    "open_failed",
    "wrong_kind",
    "old_epoch",
    "withheld",
    "mirror_mismatch",
    "wrong_inviter",
    "invitation_expired",
]

ALARMS: Final[frozenset[Code]] = frozenset(
    {
        "rollback",
        "fork",
        "forged_box",
        "wrong_commit",
        "wrong_member_key",
        "withheld",
        "mirror_mismatch",
        "wrong_inviter",
    }
)


class ProtocolError(Exception):
    """A check of the protocol failed; ``code`` says which, and never which byte.

    ``alarm`` is true when somebody between the people of a conversation lies or is broken: the client stops, says so,
    and sends nothing there.

    Source: docs/spec/protocol.md 13.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code: Final = code
        self.detail: Final = detail

    @property
    def alarm(self) -> bool:
        """Whether the client must stop and tell its user."""
        return self.code in ALARMS

    @staticmethod
    def codes() -> tuple[Code, ...]:
        """All codes that there are."""
        return get_args(Code)


def refuse(code: Code, detail: str = "") -> Never:
    """Raise ``ProtocolError(code, detail)``; an expression where a statement does not fit."""
    raise ProtocolError(code, detail)


def require(condition: object, code: Code, detail: str = "") -> None:
    """Refuse with ``code`` unless ``condition`` holds."""
    if not condition:
        raise ProtocolError(code, detail)
