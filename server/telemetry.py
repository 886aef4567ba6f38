"""Logs that cannot carry health data: keys are listed, values are opaque words or numbers.

One JSON object a line on stderr. An allow-list, not a redactor: what is not listed here does not exist in a log.
Strict (tests, development) raises on anything else; otherwise the entry is trimmed and says how much it lost.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec
from typing_extensions import override

from server.clock import Clock, SystemClock

Scalar = str | int | float | bool | None

KEYS: Final = frozenset({
    "bytes", "code", "count", "digest", "exc_type", "host", "job", "lag", "method", "ms", "pid", "reference", "route",
    "seconds", "signal", "source", "status", "trimmed", "where",
})  # fmt: skip
"""Every key a log line may have beside ``at``, ``level`` and ``event``. Printed in docs/operate/logs.md."""

PAGE: Final = """# What the log says

One JSON object a line on stderr: `at` (milliseconds), `level`, `event` and some of the keys below. A value is a number,
yes or no, nothing, or a word without spaces: a code, the template of an address, a place in the source. Any other key
or value stops a server in development and is cut out in production (`trimmed` says how many). Nothing that anybody has
written, no name, no account, no address of a client and no text of an exception can stand here. `host` is the address
that this server listens on. Written by `make api` from `server/telemetry.py`.

"""
_WORD: Final = re.compile(r"[A-Za-z0-9_./:{}@+=\[\]-]{0,200}")
"""A value of text: an id, a code, a route template. No space, so no sentence and no name fits through."""


class LeakyLogError(AssertionError):
    """A log call carried a key that is not listed or a value that is not opaque."""


def _stderr(line: str) -> None:
    sys.stderr.write(line)  # the one of now: whoever has replaced it since (a test) may have closed the old one


@dataclass(slots=True)
class _Sink:
    """Where lines go; replaced as a whole by ``configure``."""

    write: Callable[[str], object] = _stderr
    clock: Clock = field(default_factory=SystemClock)
    strict: bool = False


_sink = _Sink()


def configure(
    *, strict: bool, write: Callable[[str], object] | None = None, clock: Clock | None = None, foreign: bool = True
) -> None:
    """Choose the destination, and route the standard library's loggers through the same guard (``foreign``)."""
    _sink.write = write or _stderr
    _sink.clock = clock or SystemClock()
    _sink.strict = strict
    if foreign:
        logging.basicConfig(handlers=[_Foreign()], level=logging.WARNING, force=True)


def info(event: str, **values: Scalar) -> None:
    """Tell that something ordinary happened."""
    _emit("info", event, values)


def warning(event: str, **values: Scalar) -> None:
    """Tell that something needs an eye."""
    _emit("warning", event, values)


def error(event: str, **values: Scalar) -> None:
    """Tell that something needs a hand."""
    _emit("error", event, values)


def _emit(level: str, event: str, values: dict[str, Scalar]) -> None:
    leaks = [key for key, value in values.items() if key not in KEYS or not _opaque(value)]
    if leaks:
        if _sink.strict:
            raise LeakyLogError(", ".join(sorted(leaks)))
        for key in leaks:
            del values[key]
        values["trimmed"] = len(leaks)
    line = {"at": _sink.clock.now(), "level": level, "event": event, **values}
    _sink.write(msgspec.json.encode(line).decode() + "\n")


def _opaque(value: object) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    return value is None or isinstance(value, (bool, int, float))


class _Foreign(logging.Handler):
    """What a library wants to say: that it spoke and the type of its exception, never its text."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        place = f"{record.module}:{record.lineno}"
        _emit(level, "library_spoke", {"source": record.name[:80], "exc_type": kind, "where": place[:80]})


def table() -> str:
    """Return ``docs/operate/logs.md``."""
    return PAGE + "".join(f"- `{key}`\n" for key in sorted(KEYS))
