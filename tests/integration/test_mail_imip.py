"""Invitations that came by mail lie where the agenda bridge looks, once, and only those of trusted senders."""

import base64
from email.message import EmailMessage

import pytest

from bridges.agenda.imip.spool import Letter as AgendaLetter
from bridges.agenda.imip.spool import Spool as AgendaSpool
from tests.fakes.mail_bridge import BOX, INS, JEAN, LEROY, configuration, desk_of, make_home, sent, take

EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@chu\r\nSUMMARY:METHOD:CANCEL\r\n"
    b"END:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
async def desk(server, people, tmp_path):
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with desk_of(configuration(tmp_path, top='calendar = "spool"')) as made:
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


async def test_an_invitation_is_put_down_once_as_the_agenda_bridge_reads_it(desk, tmp_path):
    assert await take(desk, invitation(1)) == [("accepted", None)]
    assert await take(desk, invitation(1)) != []
    ((_, letter, calendar),) = AgendaSpool(tmp_path / "spool").waiting()
    assert calendar == EVENT
    assert (letter.method, letter.sender, letter.message_id) == ("REQUEST", LEROY, "<i1@x.fr>")
    assert (letter.recipient, letter.verified) == (f"{INS}@patients.cabinet.mssante.fr", True)


async def test_what_the_agenda_bridge_sends_leaves_once_as_a_calendar(desk, tmp_path):
    spool = AgendaSpool(tmp_path / "spool")
    calendar = base64.b64encode(EVENT).decode()
    letter = AgendaLetter(sender=BOX, recipient=LEROY, method="REQUEST", calendar=calendar)
    spool.send("one", letter)
    spool.send("other", AgendaLetter(sender="else@x.fr", recipient=LEROY, method="REQUEST", calendar=calendar))
    spool.send("evil", AgendaLetter(sender=BOX, recipient="a@x.fr>\r\nb", method="REQUEST", calendar=calendar))
    await desk.pass_once()
    assert list((tmp_path / "spool" / "out").glob("*.json")) == []
    spool.send("again", letter)  # as after a crash between the queue and the folder
    await desk.pass_once()
    (mail,) = sent(desk)
    (part,) = [each for each in mail.walk() if each.get_content_type() == "text/calendar"]
    assert part.get_param("method") == "REQUEST"
    assert part.get_payload(decode=True) == EVENT
    assert (mail["From"].addresses[0].addr_spec, mail["To"].addresses[0].addr_spec) == (BOX, LEROY)
    aside = sorted(path.name for path in (tmp_path / "spool" / "aside").iterdir())
    assert aside == ["no_box-other.json", "unreadable-evil.json"]


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
    assert not (tmp_path / "spool" / "in").exists()
