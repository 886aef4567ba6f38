"""Invitations that came by mail lie where the agenda bridge looks, once, and only those of trusted senders."""

import hashlib
import json
from email.message import EmailMessage

import pytest

from tests.fakes.mail_bridge import INS, JEAN, LEROY, configuration, desk_of, make_home, take

EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@chu\r\nSUMMARY:METHOD:CANCEL\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
async def desk(server, people, tmp_path):
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with desk_of(configuration(tmp_path, top='calendar = "spool/calendar"')) as made:
        made.patients.learn(JEAN, account=jean.id)
        yield made


def invitation(number: int, *, sender: str = LEROY, event: bytes = EVENT, fields: str = "") -> bytes:
    """As common mail programs write it: the calendar beside the words, and again as a file."""
    made = EmailMessage()
    made["From"], made["To"], made["Message-ID"] = sender, f"{INS}@patients.cabinet.mssante.fr", f"<i{number}@x.fr>"
    made["Subject"] = "Rendez-vous"
    for line in fields.splitlines():
        name, _, value = line.partition(": ")
        made[name] = value
    made.set_content("Rendez-vous mardi.")
    made.add_alternative(event, "text", "calendar", params={"method": "REQUEST", "charset": "utf-8"})
    made.add_attachment(event, "application", "ics", filename="invite.ics")
    return made.as_bytes()


async def test_an_invitation_is_put_down_once(desk, tmp_path):
    assert await take(desk, invitation(1)) == [("accepted", None)]
    (told,) = [json.loads(path.read_text()) for path in (tmp_path / "spool" / "calendar").glob("*.json")]
    octets = (tmp_path / "spool" / "calendar" / told["file"]).read_bytes()
    assert octets == EVENT
    assert told["sha256"] == hashlib.sha256(EVENT).hexdigest()
    assert (told["method"], told["sender"], told["message_id"]) == ("REQUEST", LEROY, "<i1@x.fr>")
    assert told["recipients"] == [f"{INS}@patients.cabinet.mssante.fr"]
    assert await take(desk, invitation(1)) != []
    assert len(list((tmp_path / "spool" / "calendar").iterdir())) == 2


async def test_strangers_large_and_broken_ones_are_not(desk, tmp_path):
    large = EVENT.replace(b"UID:1", b"UID:" + b"1" * 1_100_000)
    mails = (
        invitation(1, sender="dr@evil.example"),
        invitation(2, sender="dr@evil.example", fields="Auto-Submitted: auto-generated"),
        invitation(3, event=large),
        invitation(4, event=b"not a calendar, METHOD:REQUEST"),
    )
    settled = await take(desk, *mails)
    assert [fate for fate, _ in settled] == ["quarantined", "left", "accepted", "accepted"], settled
    assert not (tmp_path / "spool").exists()
