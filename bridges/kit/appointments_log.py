"""The acts about appointments in an opened log, and saying one more. Source: docs/spec/appointments.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bridges.kit import appointments
from bridges.kit.appointments_reminders import Lead, due_here
from bridges.kit.appointments_state import Said, derive
from bridges.kit.client import Client
from bridges.kit.log import Log
from bridges.kit.outbox import Letter
from bridges.kit.wire import Accepted, to_text
from crypto.content import Reply
from crypto.reply_right import PROFESSIONALS


@dataclass(frozen=True, slots=True)
class Placed:
    """An act with its place in the log and the device that wrote it."""

    said: Said
    seq: int
    device: bytes


def acts_of(log: Log) -> Sequence[Placed]:
    """Give all acts in order; what was taken back or did not open is none."""
    found = []
    for line in log.lines:
        if line.message is not None and line.message.content.type == "appointment":
            content, author = line.message.content, line.message.author
            said = Said(to_text(line.id), line.at, to_text(author.id), author.role, content.payload)
            found.append(Placed(said, line.seq, content.device))
    return found


@dataclass(frozen=True, slots=True)
class Reminder:
    """What a device of the patient must show by itself (appointments.md 7); times in milliseconds."""

    appointment: str
    start: int
    end: int
    zone: str
    lead: Lead
    concerned: str | None


def reminders(acts: Sequence[Placed], now: datetime) -> list[Reminder]:
    """Give what is due here and nobody has said, soonest first. For the patient's side only."""
    book = derive(each.said for each in acts)
    told = [each.said for each in acts if book.verdicts[each.said.id] == "ok"]
    found = []
    for of in book.appointments.values():
        if of.end is not None or of.booked is None or of.about is None:
            continue
        start, zone = of.booked["start"], str(of.about["zone"])
        mine = [each.payload for each in told if each.payload.get("appointment") == of.id]
        said = {each["lead"] for each in mine if each["act"] == "reminder" and each["start"] == start}
        since = next((each.at for each in told if each.id == of.booked_by), 0)
        lead = due_here(_moment(start), zone, booked=_moment(since), said=said, now=now)
        if lead is not None:
            found.append(Reminder(of.id, start, of.booked["end"], zone, lead, of.concerned))
    return sorted(found, key=lambda each: each.start)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1_000, UTC)


async def say(
    client: Client, conversation: bytes, name: str, appointment: str | None, fields: Mapping[str, Any], *, key: str
) -> Accepted:
    """Say an act as a program does: the reply right stays as it is. The same key says it once, also after a crash.

    Raises:
        RefusedError, UnreachableError (a repeat with the same key is safe), ProtocolError.

    """
    likeness = client.device.likeness("appointment", to_text(conversation), name, key)
    await client.outbox.flush()
    if earlier := client.outbox.earlier(likeness, Accepted):
        return earlier
    ready = await client.messages.ready(conversation)
    role = ready.opened.chain.members[client.device.id].role
    reply: Reply = "keep" if role in PROFESSIONALS else None
    payload = appointments.write(name, appointment, fields, reply=reply)
    return await client.messages.post(ready, Letter(payload), likeness)
