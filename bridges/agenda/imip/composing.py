"""Calendars that we send by mail: invitations, cancellations and answers. Source: docs/spec/agenda-partners.md 11.

Times are in UTC and the title is neutral: mail leaves the encrypted world.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from bridges.agenda.calendar.writing import Entry, write
from bridges.agenda.imip.reading import Method, is_address

CONTENT_TYPE: Final = 'text/calendar; charset="utf-8"; method={method}'

Participation = Literal["NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one calendar in a mail says."""

    method: Method
    uid: str
    sequence: int
    start: datetime  # UTC
    end: datetime  # UTC
    stamp: datetime  # UTC
    organizer: str  # address
    attendee: str  # address
    participation: Participation = "NEEDS-ACTION"


def compose(said: Said) -> bytes:
    """Write the calendar, as the body of a part of type ``CONTENT_TYPE``. Raises ValueError for an odd address."""
    for address in (said.organizer, said.attendee):
        if not is_address(address):
            raise ValueError("an address of mail")
    status = {"CANCEL": "CANCELLED", "COUNTER": "TENTATIVE"}.get(said.method, "CONFIRMED")
    entry = Entry(uid=said.uid, start=said.start, end=said.end, stamp=said.stamp, status=status, sequence=said.sequence)
    asks = ";RSVP=TRUE" if said.method == "REQUEST" else ""
    people = (
        f"ORGANIZER:mailto:{said.organizer}\r\n"
        f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT={said.participation}{asks}:\r\n mailto:{said.attendee}\r\n"
    ).encode()
    calendar = write([entry])
    calendar = calendar.replace(b"BEGIN:VEVENT\r\n", b"METHOD:" + said.method.encode() + b"\r\nBEGIN:VEVENT\r\n", 1)
    return calendar.replace(b"END:VEVENT\r\n", people + b"END:VEVENT\r\n", 1)
