"""Appointments by mail through the spool: what goes out, who may answer, and what of it counts."""

import base64
import json
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bridges.agenda.imip.adapter import ImipProvider, Sender
from bridges.agenda.imip.composing import Said, compose
from bridges.agenda.imip.intake import Intake
from bridges.agenda.imip.ledger import Ledger
from bridges.agenda.imip.reading import read
from bridges.agenda.imip.sandbox import Sandbox
from bridges.agenda.imip.spool import Spool
from bridges.agenda.provider import ChangedError, Hold, RefusedError, Slot
from bridges.agenda.push.inbox import Inbox
from bridges.mail.imip import Letter as MailLetter

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = datetime(2026, 12, 1, 8, tzinfo=UTC)
CABINET, ANNE, PLATFORM = "cabinet@exemple.fr", "anne@patient.example", "rdv@plateforme.example"


def slot(hours=0):
    start = START + timedelta(hours=hours)
    return Slot(start=start, end=start + timedelta(minutes=20), zone="Europe/Paris", reference=f"s{hours}")


def hold(hours=0, name="h1", holder="anne"):
    return Hold(reference=name, slot=slot(hours), holder=holder, until=START)


class Desk:
    """The provider, with the mail bridge played by the test."""

    def __init__(self, provider, folder, inbox):
        self.provider, self.folder, self.inbox, self.number = provider, folder, inbox, 0

    def sent(self):
        """What went out: (recipient, what it says), and the files are taken away."""
        found = []
        for path in sorted((self.folder / "out").glob("*.json"), key=lambda each: each.stat().st_mtime_ns):
            letter = json.loads(path.read_bytes())
            found.append((letter["recipient"], read(base64.b64decode(letter["calendar"]), "Europe/Paris")))
            path.unlink()
        return found

    def arrives(self, raw, *, sender=ANNE, **more):
        self.number += 1
        told = {
            "sender": sender,
            "recipient": CABINET,
            "method": "",
            "calendar": base64.b64encode(raw).decode(),
            "verified": True,
            **more,
        }
        (self.folder / "in").mkdir(exist_ok=True, parents=True)
        (self.folder / "in" / f"{self.number:03}.json").write_text(json.dumps(told))

    def answer(self, asked, method="REPLY", participation="ACCEPTED", *, hours=None, sender=ANNE, **more):
        written = more.pop("written", {})
        start = asked.start if hours is None else START + timedelta(hours=hours)
        said = Said(
            method=method,
            uid=asked.uid,
            sequence=more.pop("sequence", asked.sequence),
            start=start,
            end=start + timedelta(minutes=20),
            stamp=more.pop("stamp", NOW),
            organizer=more.pop("organizer", CABINET),
            attendee=more.pop("attendee", ANNE),
            participation=participation,
        )
        raw = compose(said).decode()
        for name, value in written.items():
            raw = re.sub(rf"{name}[;:].*", f"{name}:{value}\r", raw)
        self.arrives(raw.encode(), sender=sender, **more)

    def aside(self):
        folder = self.folder / "aside"
        return sorted(path.name.rpartition("-")[0] for path in folder.iterdir()) if folder.exists() else []


@asynccontextmanager
async def opened(folder):
    inbox, ledger = Inbox(folder / "inbox.db"), Ledger(folder / "imip.db")
    async with Sandbox() as sandbox:
        intake = Intake(
            spool=Spool(folder),
            sandbox=sandbox,
            ledger=ledger,
            inbox=inbox,
            partners=frozenset({PLATFORM}),
            zone="Europe/Paris",
            clock=lambda: NOW,
        )
        sender = Sender(address=CABINET, zone="Europe/Paris", address_of=lambda who: {"anne": ANNE}.get(who, ""))
        yield Desk(ImipProvider(sender, intake), folder, inbox)
    inbox.close()
    ledger.close()


@pytest.fixture
async def desk(tmp_path):
    async with opened(tmp_path) as desk:
        yield desk


async def kinds(desk, cursor=""):
    return [(each.kind, each.appointment.state) for each in (await desk.provider.changes(cursor)).changes]


async def test_an_invitation_from_booking_to_cancellation(desk):
    made = await desk.provider.book(hold(), key="k")
    moved = await desk.provider.reschedule(made, hold(2, "h2"), key="k2")
    gone = await desk.provider.cancel(moved, by="practice", key="k3")
    assert (gone.state, gone.reference) == ("cancelled", made.reference)
    sent = desk.sent()
    assert [(who, told.method, told.sequence, told.start) for who, told in sent] == [
        (ANNE, "REQUEST", 0, START),
        (ANNE, "REQUEST", 1, START + timedelta(hours=2)),
        (ANNE, "CANCEL", 2, START + timedelta(hours=2)),
    ]
    assert len({told.uid for _, told in sent}) == 1
    with pytest.raises(ChangedError):
        await desk.provider.reschedule(made, hold(4, "h3"), key="k4")


async def test_a_repeated_call_sends_the_same_letter_and_no_second_one(desk, tmp_path):
    made = await desk.provider.book(hold(), key="k")
    assert await desk.provider.book(hold(), key="k") == made
    assert len(desk.sent()) == 1
    await desk.provider.reschedule(made, hold(2, "h2"), key="k2")
    await desk.provider.reschedule(made, hold(2, "h2"), key="k2")
    assert [told.sequence for _, told in desk.sent()] == [1]


async def test_somebody_without_an_address_gets_no_mail(desk):
    with pytest.raises(RefusedError, match="no_address"):
        await desk.provider.book(hold(holder="paul"), key="k")
    assert not desk.sent()


async def test_the_answers_of_the_person_invited(desk):
    made = await desk.provider.book(hold(), key="k")
    cursor = (await desk.provider.changes()).cursor
    ((_, asked),) = desk.sent()
    desk.answer(asked, participation="TENTATIVE")
    desk.answer(asked)
    desk.answer(asked)
    desk.answer(asked, participation="DECLINED", stamp=NOW + timedelta(minutes=1))
    found = await desk.provider.changes(cursor)
    assert [(each.kind, each.reference) for each in found.changes] == [
        ("booked", made.reference),
        ("cancelled", made.reference),
    ]
    assert not list((desk.folder / "in").iterdir())
    assert desk.aside() == []


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"sender": "other@patient.example"}, "sender_differs"),
        ({"verified": False}, "not_verified"),
        ({"sender": "other@patient.example", "attendee": "other@patient.example"}, "sender_differs"),
    ],
)
async def test_nobody_answers_for_another(desk, more, reason):
    await desk.provider.book(hold(), key="k")
    ((_, asked),) = desk.sent()
    desk.answer(asked, participation="DECLINED", **more)
    assert await kinds(desk) == []
    assert desk.aside() == [reason]
    assert [each.reason for each in desk.inbox.troubles()] == [reason]


async def test_an_answer_to_an_invitation_that_was_replaced_does_not_count(desk):
    made = await desk.provider.book(hold(), key="k")
    ((_, asked),) = desk.sent()
    await desk.provider.reschedule(made, hold(2, "h2"), key="k2")
    desk.answer(asked, participation="DECLINED")
    assert await kinds(desk) == []
    assert desk.aside() == []


@pytest.mark.parametrize(
    ("start", "end", "wished"),
    [
        ("20261201T110030Z", "20261201T112030Z", [("11:00", "11:21")]),  # a card knows no seconds
        ("20261201T110000Z", "20261202T110100Z", []),
    ],
)
async def test_a_wish_is_a_time_that_a_card_can_carry(desk, start, end, wished):
    await desk.provider.book(hold(), key="k")
    ((_, asked),) = desk.sent()
    desk.answer(asked, "COUNTER", "TENTATIVE", hours=3, written={"DTSTART": start, "DTEND": end})
    assert await kinds(desk) == []
    assert [(f"{each.start:%H:%M}", f"{each.end:%H:%M}") for each in desk.provider.wishes()] == wished
    assert desk.aside() == ([] if wished else ["too_long"])


async def test_another_time_is_a_wish_that_the_practice_decides(desk):
    made = await desk.provider.book(hold(), key="k")
    ((_, asked),) = desk.sent()
    desk.answer(asked, "COUNTER", "TENTATIVE", hours=3)
    assert await kinds(desk) == []
    (wish,) = desk.provider.wishes()
    assert wish.start == START + timedelta(hours=3)
    desk.provider.decline(wish)
    assert [told.method for _, told in desk.sent()] == ["DECLINECOUNTER"]
    assert desk.provider.wishes() == []
    desk.answer(asked, "COUNTER", "TENTATIVE", hours=4)
    await desk.provider.changes()
    await desk.provider.reschedule(made, hold(4, "h2"), key="k2")
    assert desk.provider.wishes() == []


async def test_the_last_wish_is_the_one_that_was_said_last(desk):
    await desk.provider.book(hold(), key="k")
    ((_, asked),) = desk.sent()
    desk.answer(asked, "COUNTER", "TENTATIVE", hours=3, stamp=NOW + timedelta(minutes=5))
    desk.answer(asked, "COUNTER", "TENTATIVE", hours=4, stamp=NOW)
    await desk.provider.changes()
    assert [wish.start for wish in desk.provider.wishes()] == [START + timedelta(hours=3)]


def test_both_bridges_mean_the_same_file(tmp_path):
    """The folder is all that they share: neither imports the other."""
    theirs = MailLetter(
        sender=ANNE, recipient=CABINET, method="REPLY", calendar="QUJD", message_id="<1@x>", verified=True
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.json").write_bytes(msgspec.json.encode(theirs))
    ((_, ours, calendar),) = Spool(tmp_path).waiting()
    assert (msgspec.structs.asdict(ours), calendar) == (msgspec.structs.asdict(theirs), b"ABC")
    Spool(tmp_path).send("x", ours)
    assert msgspec.json.decode((tmp_path / "out/x.json").read_bytes(), type=MailLetter) == theirs


async def test_a_partner_books_with_the_practice(desk):
    cursor = (await desk.provider.changes()).cursor
    asked = read(
        compose(
            Said(
                method="REQUEST",
                uid="p1@plateforme.example",
                sequence=0,
                start=START,
                end=START + timedelta(minutes=20),
                stamp=NOW,
                organizer=PLATFORM,
                attendee=CABINET,
            )
        ),
        "Europe/Paris",
    )
    partner = {"organizer": PLATFORM, "sender": PLATFORM, "attendee": CABINET}
    desk.answer(asked, "REQUEST", "NEEDS-ACTION", **partner)
    desk.answer(asked, "REQUEST", "NEEDS-ACTION", hours=5, sequence=2, stamp=NOW + timedelta(minutes=2), **partner)
    desk.answer(asked, "REQUEST", "NEEDS-ACTION", hours=1, sequence=1, stamp=NOW + timedelta(minutes=3), **partner)
    found = await desk.provider.changes(cursor)
    assert [(each.kind, each.appointment.start) for each in found.changes] == [
        ("booked", START),
        ("moved", START + timedelta(hours=5)),
    ]
    desk.provider.reply(found.changes[0].reference, "ACCEPTED")
    ((recipient, reply),) = desk.sent()
    assert (recipient, reply.method, reply.sequence, reply.attendees) == (PLATFORM, "REPLY", 2, [(CABINET, "ACCEPTED")])
    desk.answer(asked, "CANCEL", "ACCEPTED", hours=5, sequence=3, stamp=NOW + timedelta(minutes=4), **partner)
    assert (await kinds(desk, found.cursor)) == [("cancelled", "cancelled")]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"organizer": "evil@x.example", "sender": "evil@x.example"}, "unknown_organizer"),
        ({"organizer": PLATFORM, "sender": "evil@x.example"}, "sender_differs"),
    ],
)
async def test_strangers_do_not_book(desk, more, reason):
    asked = read(
        compose(
            Said(
                method="REQUEST",
                uid="p1",
                sequence=0,
                start=START,
                end=START + timedelta(minutes=20),
                stamp=NOW,
                organizer=PLATFORM,
                attendee=CABINET,
            )
        ),
        "Europe/Paris",
    )
    desk.answer(asked, "REQUEST", "NEEDS-ACTION", attendee=CABINET, **more)
    assert await kinds(desk) == []
    assert desk.aside() == [reason]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "unreadable"),
        (b"\xff", "unreadable"),
        (b"{}", "unreadable"),
        (b"x" * 600_000, "unreadable"),
        (b'{"sender":"a","recipient":"b","method":"REPLY","calendar":"!!"}', "unreadable"),
    ],
)
async def test_a_file_that_is_no_letter_is_kept_for_people(desk, content, reason):
    (desk.folder / "in").mkdir(parents=True)
    (desk.folder / "in/001.json").write_bytes(content)
    assert await kinds(desk) == []
    assert desk.aside() == [reason]


@pytest.mark.parametrize("raw", [b"", b"not a calendar", b"BEGIN:VCALENDAR\r\n" * 50, b"\x00" * 1000])
async def test_a_calendar_that_is_none_is_kept_for_people(desk, raw):
    desk.arrives(raw)
    assert await kinds(desk) == []
    assert len(desk.aside()) == 1


async def test_everything_is_there_after_a_restart(tmp_path):
    async with opened(tmp_path) as desk:
        made = await desk.provider.book(hold(), key="k")
    async with opened(tmp_path) as desk:
        assert await desk.provider.book(hold(), key="k") == made
        assert (await desk.provider.cancel(made, by="patient", key="k2")).state == "cancelled"
