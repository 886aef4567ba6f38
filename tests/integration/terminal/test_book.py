"""An appointment that was agreed on at the telephone, noted from a terminal."""

import asyncio
import zipfile
from datetime import UTC, datetime

import pytest

from bridges.kit.appointments_log import acts_of
from bridges.kit.appointments_state import Book, derive
from bridges.kit.client import client
from bridges.kit.home import Home
from crypto.codec import unb64

AT = ("--at", "2036-01-15T14:30", "--zone", "America/Martinique")


def book_of(home, conversation) -> Book:
    """What a device computes of the appointments of a conversation."""

    async def look() -> Book:
        async with client(Home(home), server=None, ask=lambda: "", tell=print) as device:
            await device.feed.drain()
            reading = await device.look(unb64(conversation))
            return derive(each.said for each in acts_of(reading.log))

    return asyncio.run(look())


def test_what_a_doctor_notes_stands_for_the_patient_and_leaves_an_ended_exchange_ended(claire, letter, jean):
    conversation = letter["conversation"]
    claire.run("end", conversation)
    words = ("--minutes", 20, "--what", "Contrôle", "--place", "Cabinet", "--cancel-before", 60)
    noted = claire.run("book", conversation, *AT, *words)
    start = int(datetime(2036, 1, 15, 18, 30, tzinfo=UTC).timestamp()) * 1000
    assert (noted["start"], noted["end"]) == (start, start + 1_200_000)
    appointment = book_of(jean.home, conversation).appointments[noted["appointment"]]
    assert appointment.state(start - 1) == "booked"
    assert appointment.booked == {"start": start, "end": start + 1_200_000, "ref": ""}
    assert appointment.about is not None
    assert (appointment.about["what"], appointment.about["cancel_before"]) == ("Contrôle", 60)
    assert jean.run("conversations")["conversations"][0]["reply"] == "ended"


def test_a_patient_notes_nothing(letter, jean):
    refused = jean.run("book", letter["conversation"], *AT, code=3)
    assert refused["error"]["code"] == "not_permitted"
    assert book_of(jean.home, letter["conversation"]).verdicts == {}


@pytest.mark.parametrize(
    "wrong",
    [
        ("--at", "2036-03-30T02:30", "--zone", "Europe/Paris"),  # the clocks go forward
        ("--at", "2036-03-30", "--zone", "Europe/Paris"),
        ("--at", "tomorrow", "--zone", "Europe/Paris"),
        ("--at", "2036-03-30T14:30:10", "--zone", "Europe/Paris"),
        ("--at", "2036-03-30T14:30", "--zone", "Moon/Base"),
        ("--at", "2036-03-30T14:30", "--zone", "Europe/Paris", "--minutes", "0"),
        ("--at", "2036-03-30T14:30", "--zone", "Europe/Paris", "--what", "é" * 101),
        ("--at", "2036-03-30T14:30"),
        ("--at", "2036-03-30T14:30+01:00:30", "--zone", "Europe/Paris"),
        ("--at", "0001-01-01T00:00", "--zone", "Europe/Paris"),
        ("--at", "9999-12-31T23:59-14:00", "--zone", "Europe/Paris"),
        ("--at", "1900-01-01T09:00", "--zone", "Europe/Paris"),
    ],
)
def test_a_time_that_is_none_is_wrong_usage(claire, letter, wrong):
    assert claire.run("book", letter["conversation"], *wrong, code=2)["error"]["code"] == "usage"


def test_it_is_read_and_exported_with_its_words(claire, letter, tmp_path):
    conversation = letter["conversation"]
    claire.run("book", conversation, *AT, "--what", "Contrôle")
    last = claire.run("read", conversation)["messages"][-1]
    assert (last["appointment"]["act"], last["appointment"]["what"]) == ("booked", "Contrôle")
    archive = tmp_path / "conversation.zip"
    claire.run("export", conversation, "--out", archive)
    assert "<dt>what</dt><dd>Contrôle</dd>" in zipfile.ZipFile(archive).read("messages.html").decode()
    assert claire.run("verify", archive)["verified"] is True
