"""``pli-bridge agenda``. Source: docs/operate/agenda.md."""

import argparse
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reading import Query, Reading
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.checks import CHECKS
from bridges.agenda.config import load
from bridges.agenda.conformance import OUTCOMES, Agenda, examine
from bridges.agenda.fhir.commands import sas_check
from bridges.agenda.provider import AgendaError, UnknownOutcomeError, UnreachableError, Window
from bridges.kit.errors import KitError, RefusedError, UsageError
from bridges.kit.errors import UnreachableError as NoAnswerError
from bridges.kit.words import say
from bridges.terminal.output import Output

REFUSED: Final = 3  # exit code: the answer is no


async def agenda(args: argparse.Namespace, out: Output) -> int | None:
    """Run one action."""
    return await ACTIONS[args.action or "run"](args, out)


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
    if left_out:
        out.tell("\n".join([say("Laissés de côté :", "Left out:"), *left_out]))
    out.answer(told, text)
    return REFUSED if answer.reading.reason else 0


async def conformance(args: argparse.Namespace, out: Output) -> int:
    """Try the contract on a live agenda; exit code 3 when a check fails. What is written is taken back."""
    if not 1 <= args.days <= 60:
        raise UsageError("usage", "--days: 1 to 60")
    config = load(args.config)
    start = clock() + timedelta(minutes=config.notice_minutes)
    window = Window(start=start, end=start + timedelta(days=args.days))
    try:
        async with open_agenda(config) as provider:
            report = await examine(Agenda(provider=provider, window=window, now=clock), CHECKS)
    except AgendaError as error:
        raise refusal(error) from None
    counts = {str(outcome): report.count(outcome) for outcome in OUTCOMES}
    told = {**counts, "details": [asdict(each) for each in report.details]}
    lines = [f"{each.outcome:<11} {each.check} {each.detail}".rstrip() for each in report.details]
    out.answer(told, "\n".join(lines))
    return REFUSED if report.count("failed") else 0


def refusal(error: AgendaError) -> KitError:
    """Give the error of the terminal for an agenda that does not do what it is asked."""
    detail = f"{error.code} {error.detail}".strip()
    if isinstance(error, UnreachableError | UnknownOutcomeError):
        return NoAnswerError("agenda_away", detail)
    return RefusedError("agenda_refused", detail)


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
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError("usage", "--zone: a name like Europe/Paris") from None


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
    with path.open("rb") as stream:
        return stream.read(limits.RAW + 1)


ACTIONS: Final[dict[str, Callable[[argparse.Namespace, Output], Awaitable[int | None]]]] = {
    "busy": busy,
    "conformance": conformance,
    "sas-check": sas_check,
}
