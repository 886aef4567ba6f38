"""What can go wrong for a device, and the exit code each thing has. Source: docs/spec/errors.md."""

from typing import Any, Final

TABLE: Final = """
2 usage no_server bad_code bad_check bad_link bad_request csrf method_not_allowed request_too_large
2 unsupported_media_type range_not_satisfiable home_empty home_taken home_unsafe wrong_passphrase
2 file_unreadable file_empty file_exists
3 signature_refused not_permitted start_not_allowed reply_not_allowed unlocker_missing already_read last_owner
3 patient_blocked patient_left invitation_refused
3 attachment_exists activation_invalid invitation_used invitation_expired invitation_replaced
3 envelope_too_large attachment_too_large quota_exceeded attachment_unknown attachment_empty wrong_conversation
4 not_found invitation_unknown
5 unauthenticated stale_epoch stale_head offset_conflict too_many_tries internal unavailable storage_full
3 device_removed agenda_refused agenda_not_found agenda_untrusted recipient_not_trusted
5 network bad_answer home_busy agenda_away
"""
EXITS: Final = {code: int(line[0]) for line in TABLE.strip().splitlines() for code in line.split()[1:]}
ALARM_EXIT: Final = 6


class KitError(Exception):
    """A refusal with a stable code; the sentences for people are in ``words``.

    ``detail`` never carries content, names of files or keys. ``more`` holds the extra members of a problem document.
    """

    def __init__(self, code: str, detail: str = "", **more: Any) -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.more = more


class RefusedError(KitError):
    """The server said no, with a code of its own."""


class UnreachableError(KitError):
    """No usable answer. Whether the request took effect is unknown; every retry of the kit is safe."""


class UsageError(KitError):
    """Found before anything left this machine."""


class AlarmError(KitError):
    """A check of the protocol failed."""


def exit_code(code: str) -> int:
    """Give the exit code for an error code: 2, 3, 4, 5, or 6 for every error of the protocol."""
    return EXITS.get(code, ALARM_EXIT)
