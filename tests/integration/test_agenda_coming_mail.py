"""Invitations by mail, theirs and ours, between the folder of the mail bridge, a real Radicale and real conversations."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridges.agenda.imip.composing import Said, compose
from bridges.agenda.imip.reading import Told, read
from bridges.kit.wire import to_text
from tests.fakes.agendas import Radicale, needs_peers, running
from tests.fakes.partners import day, mails
from tests.fakes.partners_room import Room, at, practice_room

pytestmark = needs_peers
CABINET, PLATFORM, ANNE = "cabinet@exemple.fr", "rdv@plateforme.example", "anne@patient.example"


@pytest.fixture(autouse=True)
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    service = running(Radicale)
    try:
        async with practice_room(tmp_path, service) as made:  # type: ignore[arg-type]  # the kind that was asked for
            yield made
    finally:
        service.remove()


def sent(folder: Path) -> list[tuple[str, Told]]:
    """What waits for the mail bridge; it is taken away."""
    found = []
    for path in sorted((folder / "spool/out").glob("*.json"), key=lambda each: each.stat().st_mtime_ns):
        letter = json.loads(path.read_bytes())
        found.append((letter["recipient"], read(base64.b64decode(letter["calendar"]), "Europe/Paris")))
        path.unlink()
    return found


def invitation(method: str, start: datetime, sequence: int, uid: str = "p1@plateforme.example", **more: str) -> bytes:
    people = {"organizer": PLATFORM, "attendee": CABINET, "participation": "NEEDS-ACTION", **more}
    said = Said(
        method=method,
        uid=uid,
        sequence=sequence,
        start=start,
        end=start + timedelta(minutes=30),
        stamp=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=sequence),
        **people,
    )
    return compose(said)


async def test_an_invitation_by_mail_is_copied_and_accepted_or_declined(room: Room) -> None:
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("REQUEST", day(), 0), "1")
    await room.step()
    assert room.entries() == [at(day())]
    [(who, reply)] = sent(room.folder)
    assert (who, reply.method, reply.attendees) == (PLATFORM, "REPLY", [(CABINET, "ACCEPTED")])
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("REQUEST", day(), 0, uid="p2@x"), "2")
    await room.step()
    assert room.entries() == [at(day())]
    [(_, reply)] = sent(room.folder)
    assert reply.attendees == [(CABINET, "DECLINED")]
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("CANCEL", day(), 1), "3")
    await room.step()
    await room.step()
    assert room.entries() == []
    assert day() in await room.free()


async def test_a_patient_is_invited_by_mail_and_wishes_declines_and_answers_by_it(room: Room) -> None:
    path = room.folder / "agenda.toml"
    known = f'addresses = {{ "{to_text(room.patient.conversation)}" = "{ANNE}" }}'
    path.write_text(path.read_text().replace('spool = "spool"', f'spool = "spool", {known}'))
    await room.start()
    start = int(day().timestamp()) * 1000
    card = await room.doctor.propose({"start": start, "end": start + 1_800_000, "ref": "any"})
    await room.patient.say("accept", card, proposal=card, slot=0)
    await room.step()
    await room.step()
    [(who, asked)] = sent(room.folder)
    assert (who, asked.method, asked.start) == (ANNE, "REQUEST", day())

    def answer(method: str, when: datetime, participation: str, sequence: int = 0) -> bytes:
        people = {"organizer": CABINET, "attendee": ANNE, "participation": participation}
        return invitation(method, when, sequence, asked.uid, **people)

    mails(room.folder / "spool", ANNE, CABINET, answer("COUNTER", day(15), "TENTATIVE"), "1")
    await room.step()
    await room.step()
    assert (await room.texts()).count("Autre souhait, reçu par courriel") == 1
    number = re.search(r"(\d+) = oui", await room.own())[1]
    await room.answers(f"{number} = non")
    assert [each.method for _, each in sent(room.folder)] == ["DECLINECOUNTER"]
    assert room.entries() == [at(day())]

    later = answer("COUNTER", day(15), "TENTATIVE").replace(b"DTSTAMP:20", b"DTSTAMP:21")
    mails(room.folder / "spool", ANNE, CABINET, later, "2")
    await room.step()
    await room.answers(f"{number} = oui")
    assert room.entries() == [at(day(15))]
    assert len(await room.patient.said("move")) == 1
    await room.step()
    [(_, again)] = sent(room.folder)
    assert (again.method, again.sequence, again.start) == ("REQUEST", 1, day(15))

    mails(room.folder / "spool", ANNE, CABINET, answer("REPLY", day(15), "DECLINED", 1), "3")
    await room.step()
    await room.step()
    assert await room.patient.standing() == "cancelled"
    assert room.entries() == []
    assert [each.method for _, each in sent(room.folder)] == ["CANCEL"]
