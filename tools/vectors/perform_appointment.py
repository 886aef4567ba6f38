"""The operations of the group appointments. Source: docs/spec/appointments.md 9."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bridges.kit import appointments
from bridges.kit.appointments import NewerVersionError
from bridges.kit.appointments_reminders import LEADS, due_here, moment
from bridges.kit.appointments_state import Appointment, Said, derive


def _read(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"act": appointments.read(given["payload"]).name}
    except NewerVersionError:
        return {"act": "newer_version"}


def _derive(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    book = derive(Said(**said) for said in given["log"])
    shown = [_shown(each, given["now"]) for each in book.appointments.values()]
    return {"appointments": shown, "available": book.available and book.available.id, "verdicts": book.verdicts}


def _shown(appointment: Appointment, now: int) -> dict[str, Any]:
    left = appointment.proposal.left(now) if appointment.proposal else []
    return {**asdict(appointment), "left": left, "state": appointment.state(now)}


def _remind(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    start, now, booked = (datetime.fromtimestamp(given[key] / 1_000, UTC) for key in ("start", "now", "booked"))
    zone = given["zone"]
    moments = {lead: int(moment(lead, start, zone).timestamp()) * 1_000 for lead in LEADS}
    return {"due": due_here(start, zone, booked=booked, said=given["said"], now=now), "moments": moments}


OPERATIONS = {"appointments": {"read": _read, "derive": _derive, "remind": _remind}}
