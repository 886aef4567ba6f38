"""``pli-bridge agenda conformance``. Source: docs/operate/agenda.md."""

import argparse
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.checks import CHECKS
from bridges.agenda.config import load
from bridges.agenda.conformance import OUTCOMES, Agenda, examine
from bridges.agenda.outgoing import CERTIFICATE, FORBIDDEN
from bridges.agenda.provider import Ability, AgendaError, UnknownOutcomeError, UnreachableError, Window
from bridges.kit.errors import KitError, RefusedError, UsageError
from bridges.kit.errors import UnreachableError as NoAnswerError
from bridges.terminal.output import Output

REFUSED: Final = 3  # exit code: the answer is no
NOT_TRUSTED: Final = frozenset({CERTIFICATE, *FORBIDDEN})
NOT_THERE: Final = frozenset(
    {"404", "405", "no multistatus", "no_calendar", "several_calendars", "bad_answer not_json"}
)


async def conformance(args: argparse.Namespace, out: Output) -> int:
    """Try the contract on a live agenda; exit code 3 when a check fails. What is written is taken back."""
    if not 1 <= args.days <= 60:
        raise UsageError("usage", "--days: 1 to 60")
    config = load(args.config)
    start = clock() + timedelta(minutes=config.notice_minutes)
    window = Window(start=start, end=start + timedelta(days=args.days))
    try:
        async with open_agenda(config) as provider:
            if provider.capabilities().can(Ability.FIND):
                await provider.find(window)  # an agenda that is away is not one that fails
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
    if error.detail in NOT_TRUSTED:
        return RefusedError("agenda_untrusted", detail)
    if error.detail in NOT_THERE:
        return RefusedError("agenda_not_found", detail)
    if isinstance(error, UnreachableError | UnknownOutcomeError):
        return NoAnswerError("agenda_away", detail)
    return RefusedError("agenda_refused", detail)
