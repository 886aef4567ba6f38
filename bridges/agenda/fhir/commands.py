"""``pli-bridge agenda sas-check``. Source: docs/operate/agenda-partners.md."""

import argparse
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from bridges.agenda.conformance import Report
from bridges.agenda.fhir import identifiers
from bridges.agenda.fhir.checking import Subject, check
from bridges.agenda.fhir.gate import client_context
from bridges.agenda.outgoing import Origin
from bridges.kit.errors import UsageError
from bridges.terminal.output import Output

REFUSED: Final = 3  # exit code: a requirement is not met
MARKS: Final = {"passed": "+", "failed": "-", "unsupported": "?"}


async def sas_check(args: argparse.Namespace, out: Output) -> int:
    """Judge an endpoint; exit code 3 when a requirement is not met."""
    report = await check(_subject(args))
    lines = [f"{MARKS[each.outcome]} {each.check} {each.detail}".rstrip() for each in report.details]
    out.answer({"url": args.url, **plain(report)}, "\n".join(lines))
    return REFUSED if report.count("failed") else 0


def plain(report: Report) -> dict[str, Any]:
    """Give a report as the contract has it."""
    return {
        "passed": report.count("passed"),
        "failed": report.count("failed"),
        "unsupported": report.count("unsupported"),
        "details": [msgspec.to_builtins(each) for each in report.details],
    }


def _subject(args: argparse.Namespace) -> Subject:
    start = _moment(args.start, "--from") if args.start else datetime.now(UTC).replace(microsecond=0)
    end = _moment(args.end, "--to") if args.end else start + timedelta(days=7)
    if not start < end:
        raise UsageError("usage", "--to must come after --from")
    try:
        origin = Origin(base=args.url.rstrip("/").removesuffix("/Slot"), inside=True, plain=True)
        professionals = [identifiers.person(each) for each in args.rpps]
    except ValueError as error:
        raise UsageError("usage", str(error)) from None
    secure = origin.base.startswith("https://")
    return Subject(
        origin=origin,
        start=start,
        end=end,
        professionals=professionals,
        tls=_context(args.ca, args.cert) if secure else None,
        bare=_context(args.ca, None) if secure else None,
        other_name=_context(args.ca, args.other_name) if args.other_name else None,
        other_unit=_context(args.ca, args.other_unit) if args.other_unit else None,
    )


def _context(authority: Path | None, certificate: Path | None) -> ssl.SSLContext:
    for each in (authority, certificate):
        if each is not None:
            each.read_bytes()  # says which file is missing
    try:
        return client_context(authority, certificate)
    except (ssl.SSLError, ValueError):
        raise UsageError("usage", "--ca, --cert: certificates in PEM, with the key in the same file") from None


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError("usage", f"{option}: YYYY-MM-DD or ISO 8601") from None
