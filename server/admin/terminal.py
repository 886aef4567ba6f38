"""What ``pli`` promises to scripts: a JSON object on stdout (``--json``), progress on stderr, stable exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from server.domain.errors import DomainError

USAGE: Final = 2
REFUSED: Final = 3
NOT_FOUND: Final = 4
UNREACHABLE: Final = 5
PROTOCOL: Final = 6
INTERRUPTED: Final = 130  # as of a shell's own: 128 and SIGINT

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


@contextmanager
def tidy() -> Iterator[None]:
    """End by SIGTERM as by Ctrl-C: what was half-done is removed on the way out (a service manager sends no SIGINT)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def explained() -> Iterator[None]:
    """Say in a sentence what the system or the database refuses, instead of where in the program that was.

    Raises:
        CommandError: ``no_room``, ``not_accessible``, ``database_refused``.

    """
    import pysqlite3.dbapi2 as sqlite  # noqa: PLC0415  # not for `pli --help`
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415

    try:
        yield
    except OSError as exc:
        full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
        where = "" if exc.filename is None else f"{exc.filename}: "
        told = f"{where}{os.strerror(exc.errno or 0)}"
        code = "no_room" if full else "not_accessible"
        raise CommandError(code, told, hint="nothing was left half-done", status=UNREACHABLE) from None
    except (DBAPIError, sqlite.Error) as exc:
        told = str(exc.orig) if isinstance(exc, DBAPIError) else str(exc)
        full = "full" in told
        kept = "keep the folder as it is and restore a backup into another (docs/operate/backup.md)"
        hint = "make room" if full else kept
        code = "no_room" if full else "database_refused"
        raise CommandError(code, f"the database: {told}", hint=hint, status=UNREACHABLE) from None


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
