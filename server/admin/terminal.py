"""What ``pli`` promises to scripts: a JSON object on stdout (``--json``), progress on stderr, stable exit codes."""

from __future__ import annotations

import sys
from typing import Any, Final

import msgspec

from server.domain.errors import DomainError

USAGE: Final = 2
REFUSED: Final = 3
NOT_FOUND: Final = 4
UNREACHABLE: Final = 5
PROTOCOL: Final = 6

_EXITS: Final = {
    "bad_request": USAGE,
    "not_found": NOT_FOUND,
    "internal": UNREACHABLE,
    "unavailable": UNREACHABLE,
    "storage_full": UNREACHABLE,
}


class CommandError(Exception):
    """A command cannot be done: a stable code, a sentence, what to do about it, and how the program ends."""

    def __init__(self, code: str, message: str, *, hint: str = "", status: int = REFUSED) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.status = status

    @classmethod
    def of(cls, exc: DomainError) -> CommandError:
        """Translate a refusal of the server's own rules."""
        return cls.of_code(exc.code, exc.detail)

    @classmethod
    def of_code(cls, code: str, detail: str) -> CommandError:
        """Translate a refusal that another process of ours tells."""
        return cls(code, detail or code, status=_EXITS.get(code, REFUSED))


def progress(line: str) -> None:
    """Tell the person what is going on."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def answer(document: dict[str, Any], *, json: bool, text: str) -> None:
    """Print the result: for a script the document, for a person the sentence."""
    sys.stdout.write((msgspec.json.encode(document).decode() if json else text) + "\n")
    sys.stdout.flush()


def tell(error: CommandError, *, json: bool) -> int:
    """Print the error the way it was asked for; return how the program ends."""
    if json:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        answer({"error": told}, json=True, text="")
    progress(f"pli: {error.message}" + (f"\n     {error.hint}" if error.hint else ""))
    return error.status
