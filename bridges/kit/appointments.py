"""One act about an appointment: reading and writing its payload. Source: docs/spec/appointments.md 1 and 2.

Values stay as they stand in the payload (ids as b64 text): that is how they are compared and kept.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from crypto import content
from crypto.content import Payload, Reply
from crypto.errors import require
from crypto.schema import Field, binary, exact, integer, listed, nullable, one_of, text, time
from crypto.suite import HASH

VERSION: Final = 1
MINUTE: Final = 60_000  # milliseconds
LONGEST: Final = 86_400_000  # milliseconds that a slot may take
MAX_SLOTS: Final = 6
MAX_AVAILABLE: Final = 60
MAX_CANCEL_BEFORE: Final = 43_200  # minutes
BEGINNING: Final = frozenset({"ask", "propose", "offer", "booked"})
"""Acts that may begin an appointment."""
APART: Final = frozenset({"find", "availability"})
"""Acts about no appointment: a practice and its own agenda."""
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_LINK: Final = re.compile(r"(https://[!-~]{1,492})?")

Slot = Mapping[str, Any]
"""``start``, ``end`` (milliseconds) and ``ref``, the agenda's own opaque name for it."""


class NewerVersionError(Exception):
    """Said by a newer version: shown as "a newer kind of message", of no effect."""


@dataclass(frozen=True, slots=True)
class Act:
    """A well-formed act. ``appointment`` is the b64 id of the message that began it, ``None`` if this one does."""

    name: str
    appointment: str | None
    fields: Mapping[str, Any] = field(repr=False)


def read(payload: Mapping[str, Any]) -> Act:
    """Read the payload of an ``appointment`` message.

    Raises:
        NewerVersionError: of a later version.
        ProtocolError: ``bad_format``.

    """
    name, version = payload.get("act"), payload.get("version")
    require(type(version) is int and type(name) is str, "bad_format", "version or act")
    assert isinstance(name, str)
    if version != VERSION or name not in _ACTS:
        raise NewerVersionError
    fields = exact(dict(payload), {**_COMMON, **_ACTS[name]})
    appointment = fields.pop("appointment")
    for common in ("version", "act", "reply"):
        del fields[common]
    _require_place(name, appointment)
    _require_order(name, fields)
    return Act(name, appointment, fields)


def write(name: str, appointment: str | None, fields: Mapping[str, Any], *, reply: Reply = None) -> Payload:
    """Write an act; raises ProtocolError (``bad_format``) for what no reader would take."""
    plain_reply = dict(reply) if isinstance(reply, Mapping) else reply
    plain = {"version": VERSION, "act": name, "appointment": appointment, "reply": plain_reply, **fields}
    read(plain)
    return content.appointment(plain)


def _require_place(name: str, appointment: str | None) -> None:
    """``ask`` always begins, three others may; ``find`` and ``availability`` are about none."""
    if name in APART or name == "ask":
        require(appointment is None, "bad_format", "appointment")
    elif name not in BEGINNING:
        require(appointment is not None, "bad_format", "appointment")


def _require_order(name: str, fields: Mapping[str, Any]) -> None:
    if "slots" in fields:
        starts = [slot["start"] for slot in fields["slots"]]
        require(all(a < b for a, b in pairwise(starts)), "bad_format", "slots ascend")
    if name in APART:
        require(fields["from"] < fields["to"], "bad_format", "from and to")


def _identifier(value: Any) -> str:
    binary(HASH)(value)
    return str(value)


def _matching(pattern: re.Pattern[str]) -> Field:
    def read_text(value: Any) -> str:
        require(type(value) is str and pattern.fullmatch(value), "bad_format", "text of that form")
        return str(value)

    return read_text


def _slot(value: object) -> Slot:
    slot = exact(value, {"end": time, "ref": text(200), "start": time})
    whole = slot["start"] % MINUTE == 0 and slot["end"] % MINUTE == 0
    require(whole and slot["start"] < slot["end"] <= slot["start"] + LONGEST, "bad_format", "slot")
    return slot


def _slots(low: int, high: int) -> Field:
    read_tuple = listed(_slot, low=low, high=high)
    return lambda value: list(read_tuple(value))


def _texts(value: Any) -> Sequence[str]:
    return list(listed(text(200, 1), high=10)(value))


_NOTE: Final = text(1_000)
_CONCERNED: Final = nullable(text(120, 1))
_SOURCE: Final = one_of("person", "agenda")
_ABOUT: Final[Mapping[str, Field]] = {
    "bring": _texts,
    "cancel_before": integer(0, MAX_CANCEL_BEFORE),
    "concerned": _CONCERNED,
    "link": _matching(_LINK),
    "mode": one_of("practice", "home", "remote"),
    "note": _NOTE,
    "place": text(200),
    "what": text(200),
    "zone": _matching(_ZONE),
}
ABOUT: Final = tuple(_ABOUT)
"""Keys that say what an appointment is about."""
_COMMON: Final[Mapping[str, Field]] = {
    "version": integer(VERSION, VERSION),
    "act": text(64),
    "reply": lambda value: value,  # read with the content
    "appointment": nullable(_identifier),
}
_ACTS: Final[Mapping[str, Mapping[str, Field]]] = {
    "ask": {"wish": text(1_000, 1), "concerned": _CONCERNED},
    "propose": {"slots": _slots(1, MAX_SLOTS), "expires": time, **_ABOUT},
    "offer": {"slots": _slots(1, 1), "expires": time, **_ABOUT},
    "booked": {"slot": _slot, "source": _SOURCE, **_ABOUT},
    "accept": {"proposal": _identifier, "slot": integer(0, MAX_SLOTS - 1)},
    "refuse": {"proposal": _identifier, "note": _NOTE},
    "other_wish": {"wish": text(1_000, 1)},
    "confirmed": {"answers": _identifier},
    "failed": {"answers": _identifier, "reason": one_of("gone", "refused", "unreachable")},
    "move": {"slot": _slot, "note": _NOTE, "source": _SOURCE},
    "cancel": {"note": _NOTE, "source": _SOURCE},
    "cannot_come": {"note": _NOTE},
    "no_show": {},
    "reminder": {"start": time, "lead": one_of("d7", "d1", "h2")},
    "find": {"from": time, "to": time},
    "availability": {"slots": _slots(0, MAX_AVAILABLE), "zone": _matching(_ZONE), "from": time, "to": time},
}
