"""Whose appointment it is that was booked on somebody else's page. Source: docs/spec/agenda-partners.md 7.

Certain is only what both sides name: the token of our link, or the partner's number of the patient. Everything else is
a guess that a person confirms; two guesses are none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from bridges.agenda.push.arrival import Arrival

EARLY: Final = timedelta(minutes=2)  # clocks of two machines

Certainty = Literal["certain", "likely", "ambiguous", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A link that was given to somebody, who has not come back yet."""

    reference: str  # of the conversation's own
    given_at: datetime
    until: datetime  # afterwards nothing is matched any more
    correlation: str = ""  # what the link carried
    person: str = ""  # the inbox's digest of the partner's number, where it is known
    practitioner: str = ""
    expected: datetime | None = None  # the time that the patient says was booked


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """An appointment that a partner told of, or that stands in the practice's calendar."""

    start: datetime
    made_at: datetime
    correlation: str = ""
    person: str = ""
    practitioner: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Whose it is. ``references`` holds one when certain or likely, several when ambiguous."""

    certainty: Certainty
    references: tuple[str, ...] = ()


def owner(told: Arrival, awaited: Sequence[Awaited], now: datetime) -> Match:
    """Say whose appointment a partner told of, among those who may have booked it.

    ``now`` stands for when it was booked where the partner does not say it.
    """
    if told.start is None:
        return Match("none")
    booked = Booked(
        start=told.start,
        made_at=told.said_at or now,
        correlation=told.correlation,
        person=told.person,
        practitioner=told.practitioner,
    )
    return match(booked, awaited)


def match(booked: Booked, awaited: Sequence[Awaited]) -> Match:
    """Say whose appointment this is."""
    named = [each for each in awaited if each.correlation and each.correlation == booked.correlation]
    if not named:
        named = [each for each in _possible(booked, awaited) if each.person and each.person == booked.person]
    if named:
        return _one_of(named, "certain")
    possible = [each for each in _possible(booked, awaited) if each.expected in {None, booked.start}]
    exact = [each for each in possible if each.expected == booked.start]
    found = exact or possible
    return _one_of(found, "likely") if found else Match("none")


def _possible(booked: Booked, awaited: Sequence[Awaited]) -> list[Awaited]:
    """Leave out who got the link at another time, for somebody else's agenda, or is known to be another person."""
    return [
        each
        for each in awaited
        if each.given_at - EARLY <= booked.made_at <= each.until
        and not _differ(each.practitioner, booked.practitioner)
        and not _differ(each.person, booked.person)
        and not _differ(each.correlation, booked.correlation)
    ]


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def _one_of(found: Sequence[Awaited], certainty: Certainty) -> Match:
    """Two links that were given in one conversation are one answer."""
    references = tuple(sorted({each.reference for each in found}))
    return Match(certainty if len(references) == 1 else "ambiguous", references)
