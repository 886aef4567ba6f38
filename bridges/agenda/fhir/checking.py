"""Asks an endpoint the questions of SAS and judges its answers by the numbered requirements.

Source: docs/spec/agenda-partners.md 5.5.
"""

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bridges.agenda.conformance import FailedError, Finding, Report
from bridges.agenda.fhir.reading import FhirError, index, read
from bridges.agenda.fhir.requirements import CHECKS, SET, UNSEEN, Admission, Evidence, Found, NotSeenError
from bridges.agenda.fhir.search import ACTOR, PAGE, PROFESSIONALS
from bridges.agenda.fhir.terms import JSON, JSON_OF_SAS, PERSONS
from bridges.agenda.outgoing import Origin, Outgoing, Query
from bridges.agenda.provider import AgendaError, CredentialsRevokedError

ACCEPT: Final = f"{JSON_OF_SAS}, {JSON}"
LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)
EXAMPLES: Final = ("810100050075", "810002673899")  # the invented professionals of the national guide
NOBODY: Final = "800000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The endpoint that is looked at, and as whom."""

    origin: Origin
    start: datetime
    end: datetime
    professionals: Sequence[str] = ()
    tls: ssl.SSLContext | None = None  # with our certificate
    bare: ssl.SSLContext | None = None  # the same authorities, no certificate
    other_name: ssl.SSLContext | None = None
    other_unit: ssl.SSLContext | None = None


def question(start: datetime, end: datetime, professionals: Sequence[str]) -> Query:
    """Write the search of SAS; both ends are included."""
    named = ",".join(f"{PERSONS}|{each}" for each in professionals[:PROFESSIONALS])
    return (
        ("_include", "Slot:schedule"),
        ("_include:iterate", "Schedule:actor"),
        ("status", "free"),
        ("start", f"ge{start.isoformat(timespec='milliseconds')}"),
        ("start", f"le{end.isoformat(timespec='milliseconds')}"),
        *(((ACTOR, named),) if named else ()),
        ("_count", str(PAGE)),
    )


async def check(subject: Subject) -> Report:
    """Judge an endpoint; whatever it answers, every requirement has an outcome."""
    return judge(await _gather(subject))


def judge(seen: Evidence) -> Report:
    """Give an outcome to every numbered requirement, in their order."""
    report = Report()
    for number in sorted({*CHECKS, *UNSEEN}):
        report.details.append(_judge(number, seen))
    return report


def _judge(number: int, seen: Evidence) -> Finding:
    name = f"{SET}-{number}"
    if number in UNSEEN:
        return Finding(check=name, outcome="unsupported", detail=UNSEEN[number])
    try:
        CHECKS[number](seen)
    except FailedError as error:
        return Finding(check=name, outcome="failed", detail=str(error))
    except NotSeenError as error:
        return Finding(check=name, outcome="unsupported", detail=f"needs {error}")
    return Finding(check=name, outcome="passed")


async def _gather(subject: Subject) -> Evidence:
    middle = subject.start + (subject.end - subject.start) / 2
    narrow_end = middle.replace(microsecond=0)
    async with Outgoing(subject.origin, headers={"Accept": ACCEPT}, tls=subject.tls) as outgoing:
        asked = list(subject.professionals)
        main = await _search(outgoing, question(subject.start, subject.end, asked))
        if not asked and 400 <= main.status < 500:  # it may be asked for somebody only
            asked = list(EXAMPLES)
            main = await _search(outgoing, question(subject.start, subject.end, asked))
        narrow = nothing = stranger = main
        if main.status:  # who does not answer is not waited for four times
            narrow = await _search(outgoing, question(subject.start, narrow_end, asked))
            nothing = await _search(outgoing, question(LONG_AGO, LONG_AGO + timedelta(hours=1), asked))
            stranger = await _search(outgoing, question(subject.start, subject.end, [NOBODY]))
    return Evidence(
        start=subject.start,
        end=subject.end,
        asked=asked,
        main=main,
        narrow=narrow,
        narrow_end=narrow_end,
        nothing=nothing,
        stranger=stranger,
        without_certificate=await _admission(subject, subject.bare, main),
        other_name=await _admission(subject, subject.other_name, main),
        other_unit=await _admission(subject, subject.other_unit, main),
    )


async def _search(outgoing: Outgoing, query: Query) -> Found:
    try:
        reply = await outgoing.ask("GET", "Slot", query=query)
    except CredentialsRevokedError as error:
        return Found(status=int(error.detail), problem=f"status {error.detail}")
    except AgendaError as error:
        return Found(status=0, problem=f"{error.code}: {error.detail}")
    if reply.status != 200:
        return Found(status=reply.status, problem=f"status {reply.status}")
    try:
        bundle = await asyncio.to_thread(read, reply.body, "Bundle")
    except FhirError as error:
        return Found(status=200, problem=str(error))
    return Found(status=200, bundle=bundle, index=index(bundle))


async def _admission(subject: Subject, tls: ssl.SSLContext | None, main: Found) -> Admission:
    """Say what becomes of somebody who shows another certificate, or none, where we are served."""
    if main.status != 200:
        return "unknown"  # who serves nobody refuses nobody
    if subject.origin.base.startswith("http://"):
        return "admitted"
    if tls is None:
        return "unknown"
    async with Outgoing(subject.origin, headers={"Accept": ACCEPT}, tls=tls) as outgoing:
        found = await _search(outgoing, question(subject.start, subject.end, subject.professionals))
    return "refused" if found.status in {0, 401, 403} else "admitted"
