"""``pli-bridge agenda busy``. Source: docs/operate/agenda.md."""

import argparse
import errno
import os
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from select import select
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.reading import Query, Reading
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.kit.errors import UsageError
from bridges.kit.words import say
from bridges.terminal.output import Output

REFUSED: Final = 3  # exit code: the answer is no
_SILENCE: Final = 1.0  # second that a pipe may say nothing


async def busy(args: argparse.Namespace, out: Output) -> int:
    """Say when a calendar is busy; exit code 3 when it is not read at all."""
    zone = _zone(args.zone)
    start, end = _moment(args.start, zone, "--from"), _moment(args.end, zone, "--to")
    if not start < end:
        raise UsageError("usage", "--to must come after --from")
    raw = _read_bounded(args.file)
    async with Sandbox() as sandbox:
        answer = await sandbox.read(raw, Query(start=start, end=end, zone=args.zone))
    told = plain_busy(answer.reading)
    text = "\n".join(f"{begun} - {ended}" for begun, ended in told["busy"])
    left_out = [f"{each['uid'] or '?'}: {each['reason']}" for each in told["skipped"]]
    if left_out and not out.json:
        out.tell("\n".join([say("Laissés de côté :", "Left out:"), *left_out]))
    out.answer(told, text)
    return REFUSED if answer.reading.reason else 0


def plain_busy(reading: Reading) -> dict[str, Any]:
    """Give a reading as the contract of ``agenda busy`` has it; an unread file is one skipped thing without UID."""
    skipped = [{"uid": each.uid, "reason": str(each.reason)} for each in reading.skipped]
    if reading.reason:
        skipped.insert(0, {"uid": "", "reason": str(reading.reason)})
    if reading.unlisted:
        skipped.append({"uid": "", "reason": "too_many"})
    return {"busy": [[_plain(begun), _plain(ended)] for begun, ended in reading.busy], "skipped": skipped}


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _zone(name: str) -> ZoneInfo:
    try:
        return zones.of_place(name)
    except ValueError as error:
        raise UsageError("usage", f"--{error}") from None


def _moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("usage", f"{option}: YYYY-MM-DD or ISO 8601") from None
    first, last = limits.YEARS
    if not first < moment.year < last:
        raise UsageError("usage", f"{option}: a year between {first} and {last}")
    return moment


def _read_bounded(path: Path) -> bytes:
    """Read a file, or a pipe as long as somebody writes into it; raises OSError."""
    with FileIO(path, opener=_without_waiting) as stream:
        found = bytearray()
        while len(found) <= limits.RAW:
            if not select([stream], [], [], _SILENCE)[0]:
                raise TimeoutError(errno.ETIMEDOUT, "nothing comes", str(path))
            piece = stream.read(limits.MIB)
            if not piece:
                break
            found += piece
    return bytes(found)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
