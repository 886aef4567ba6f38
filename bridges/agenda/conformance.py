"""The checks that every adapter passes; run in the tests and by a practice. Source: docs/spec/agenda.md 6.

A check is a function of an ``Agenda`` that returns when all is well and fails by ``Failed`` (or any AgendaError it did
not expect). It leaves the agenda as it found it.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NoReturn

from bridges.agenda.provider import Ability, AgendaError, Provider, UnsupportedError, Window


class FailedError(Exception):
    """What a check saw is not what the contract says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """What a check is given: a provider, and a window with free slots that may be written into."""

    provider: Provider
    window: Window
    now: Callable[[], datetime]


Outcome = Literal["passed", "failed", "unsupported"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("passed", "failed", "unsupported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One sentence of the contract and the function that tries it."""

    name: str
    needs: frozenset[Ability]
    run: Callable[[Agenda], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one check."""

    check: str
    outcome: Outcome
    detail: str = ""


@dataclass(slots=True)
class Report:
    """All findings, in the order of the checks."""

    details: list[Finding] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """Count the findings of one outcome."""
        return sum(each.outcome == outcome for each in self.details)


async def examine(agenda: Agenda, checks: Iterable[Check]) -> Report:
    """Run the checks one after another; a check that fails does not end the run."""
    report = Report()
    abilities = agenda.provider.capabilities().abilities
    for check in checks:
        missing = sorted(check.needs - abilities)
        if missing:
            report.details.append(Finding(check=check.name, outcome="unsupported", detail=", ".join(missing)))
        else:
            report.details.append(await _try(check, agenda))
    return report


async def _try(check: Check, agenda: Agenda) -> Finding:
    try:
        await check.run(agenda)
    except UnsupportedError as error:
        return Finding(check=check.name, outcome="failed", detail=f"declared, yet unsupported: {error.detail}")
    except FailedError as error:
        return Finding(check=check.name, outcome="failed", detail=str(error))
    except AgendaError as error:
        return Finding(check=check.name, outcome="failed", detail=f"{error.code}: {error.detail}")
    return Finding(check=check.name, outcome="passed")


def fail(why: str) -> NoReturn:
    """Fail the check."""
    raise FailedError(why)


def require(truth: object, otherwise: str) -> None:
    """Fail the check unless something holds."""
    if not truth:
        fail(otherwise)
