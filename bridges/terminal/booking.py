"""The command that notes an appointment which is agreed already. Source: docs/spec/appointments.md 2 and 4."""

import argparse
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bridges.kit import appointments_log
from bridges.kit.appointments import MAX_CANCEL_BEFORE
from bridges.kit.appointments_reminders import known
from bridges.kit.appointments_state import PRACTICE
from bridges.kit.errors import RefusedError, UsageError
from bridges.kit.wire import to_text
from bridges.kit.words import say
from bridges.terminal.entry import entered, read_id
from bridges.terminal.output import Output

DAY = 1_440  # minutes
FIRST, LAST = 1971, 9998  # years that a message can say, whatever the offset


async def book(args: argparse.Namespace, out: Output) -> None:
    """Say that an appointment stands: it was agreed on elsewhere, and whoever writes this keeps the agenda."""
    conversation = read_id(args.conversation)
    start = read_wall(args.at, args.zone)
    fields = _fields(args, start)
    async with entered(args, out) as client:
        chain = (await client.conversations.sync(conversation)).opened.chain
        if chain.members[client.device.id].role not in PRACTICE:
            raise RefusedError("not_permitted")
        key = " ".join(f"{name}={value}" for name, value in sorted(fields.items()))
        accepted = await appointments_log.say(client, conversation, "booked", None, fields, key=key)
    slot = fields["slot"]
    answer = {"appointment": to_text(accepted.id), "seq": accepted.seq, "start": slot["start"], "end": slot["end"]}
    out.answer(answer, say("Rendez-vous noté.", "Appointment noted."))


def read_wall(text: str, zone: str) -> datetime:
    """Read a moment in ISO 8601, without an offset the wall time of a place; of an hour that comes twice the first.

    Raises:
        UsageError: not a moment of whole minutes, a year that no message can say, an unknown zone, or an hour that the
            clocks of the place skip.

    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError("usage", "--at: YYYY-MM-DDTHH:MM") from error
    if "T" not in text or moment.second or moment.microsecond or not FIRST <= moment.year <= LAST:
        raise UsageError("usage", "--at: YYYY-MM-DDTHH:MM")
    if not known(zone):
        raise UsageError("usage", "--zone: Europe/Paris")
    there = (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)
    if there.second or there.microsecond:  # an offset may have some
        raise UsageError("usage", "--at: YYYY-MM-DDTHH:MM")
    if moment.tzinfo is None and there.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != moment:
        raise UsageError("usage", say("cette heure n'existe pas ce jour-là", "this hour does not exist on that day"))
    return there


def _fields(args: argparse.Namespace, start: datetime) -> dict[str, Any]:
    if not 1 <= args.minutes <= DAY:
        raise UsageError("usage", "--minutes: 1 - 1440")
    if not 0 <= args.cancel_before <= MAX_CANCEL_BEFORE:
        raise UsageError("usage", f"--cancel-before: 0 - {MAX_CANCEL_BEFORE}")
    long = [name for name in ("what", "place") if len(getattr(args, name).encode()) > 200]
    if long:
        raise UsageError("usage", say(f"--{long[0]} : 200 octets au plus", f"--{long[0]}: 200 bytes at most"))
    end = start + timedelta(minutes=args.minutes)
    return {
        "slot": {"start": _milliseconds(start), "end": _milliseconds(end), "ref": ""},
        "source": "person",
        "bring": [],
        "cancel_before": args.cancel_before,
        "concerned": None,
        "link": "",
        "mode": "practice",
        "note": "",
        "place": args.place,
        "what": args.what,
        "zone": args.zone,
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000
