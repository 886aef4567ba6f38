"""Mailboxes that are rebuilt, tidied by their owner, or lie about their numbers: nothing old is new, nothing new is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from bridges.mail.imap import MARK, Box, Imap
from bridges.mail.inbox import Inbox
from bridges.mail.intake import Folder
from bridges.mail.judging import Judge, Verdict
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State
from tests.fakes.dovecot import Dovecot, needs_dovecot, running_dovecot
from tests.fakes.lying_imap import LATER, NOW, LyingImap


def mail(number: int | str, text: str = "bonjour") -> bytes:
    head = f"From: a@x.fr\r\nMessage-ID: <{number}@x>\r\nDate: Fri, 17 Jul 2026 02:44:25 +0000\r\nSubject: {number}"
    return f"{head}\r\n\r\n{text} {number}\r\n".encode()


@pytest.fixture
def inbox(tmp_path):
    made = State(tmp_path / "inbox.db", seal=bytes, unseal=bytes)
    yield Inbox(made)
    made.close()


class Carried:
    """Stands where conversations would be, and remembers what came to them."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def decide(self, taken, reading):
        self.said.append(reading.mail.subject)
        return Verdict("accepted")


async def look(imap: Imap, inbox: Inbox, carried: Carried, *, history: bool = False) -> None:
    """One look of a bridge at its box: take, judge, mark."""
    folder = Folder("dr", inbox, history=history)
    async with Sandbox() as sandbox:
        await folder.take(imap, "INBOX")
        await Judge(inbox._state, inbox, sandbox, carried).judge("dr")
        await folder.mark(imap, "INBOX")


# --- a real server ----------------------------------------------------------------------------------------------------


@pytest.fixture
def dovecot():
    with running_dovecot() as made:
        yield made


async def at(dovecot: Dovecot) -> Imap:
    made = await Imap.connect(Box("localhost", dovecot.port, "starttls"), context=dovecot.context())
    await made.login("dr", "secret")
    return made


async def looks(dovecot: Dovecot, inbox: Inbox, carried: Carried) -> None:
    imap = await at(dovecot)
    await look(imap, inbox, carried)
    await imap.close()


def rebuild(dovecot: Dovecot) -> None:
    """Lose the numbers: another UIDVALIDITY, all UIDs from 1."""
    before = validity(dovecot)
    for name in Path(dovecot.folder).glob("mail/dr/dovecot*"):
        name.unlink()
    time.sleep(1.1)  # UIDVALIDITY is a time in seconds
    assert validity(dovecot) != before


def validity(dovecot: Dovecot) -> bytes:
    one = dovecot.client()
    one.select("INBOX", readonly=True)
    found = one.response("UIDVALIDITY")[1][0]
    one.logout()
    return found


@needs_dovecot
async def test_a_rebuilt_box_shows_old_mail_and_none_of_it_is_new(dovecot, inbox):
    dovecot.put(*(mail(f"old {n}") for n in range(5)))
    carried = Carried()
    await looks(dovecot, inbox, carried)
    dovecot.put(mail("a"), mail("b"))
    await looks(dovecot, inbox, carried)
    assert carried.said == ["a", "b"]
    for round_ in range(3):
        rebuild(dovecot)
        dovecot.put(mail(f"new {round_}"))  # came while the box was being rebuilt
        await looks(dovecot, inbox, carried)
        await looks(dovecot, inbox, carried)
        assert carried.said == ["a", "b", *(f"new {n}" for n in range(round_ + 1))]
    rows = inbox._state.one("SELECT count(*) FROM mails")[0]
    rebuild(dovecot)
    await looks(dovecot, inbox, carried)
    assert inbox._state.one("SELECT count(*) FROM mails")[0] <= rows + 3  # notes of earlier numbers are forgotten
    assert inbox.counts("dr")["accepted"] == 5


@needs_dovecot
async def test_what_a_person_does_in_the_box_loses_and_doubles_nothing(dovecot, inbox):
    carried, person = Carried(), dovecot.client()
    await looks(dovecot, inbox, carried)
    person.create("Traites")
    dovecot.put(*(mail(n) for n in range(6)))
    person.select("INBOX")
    person.store("1", "+FLAGS", r"\Seen")  # read before the bridge looks
    person.store("2", "+FLAGS", r"\Deleted")
    person.expunge()  # gone before the bridge looks: nobody wanted it carried
    imap = await at(dovecot)
    await look(imap, inbox, carried)
    assert carried.said == ["0", "2", "3", "4", "5"]
    person.noop()
    person.uid("COPY", "3", "Traites")  # filed away between two looks, and brought back
    person.uid("STORE", "3", "+FLAGS", r"\Deleted")
    person.expunge()
    await look(imap, inbox, carried)
    person.select("Traites")
    person.uid("COPY", "1", "INBOX")
    await look(imap, inbox, carried)
    assert carried.said == ["0", "2", "3", "4", "5"]  # the same mail, wherever it was meanwhile
    await imap.close()
    person.logout()
    flags = dovecot.flags()
    assert [b"\\Seen" in each for each in flags] == [True, False, False, False, False]  # the person's alone
    assert all(MARK.encode() in each for each in flags)


@needs_dovecot
async def test_a_mail_that_goes_between_the_list_and_the_fetch_stops_nothing(dovecot, inbox, monkeypatch):
    carried, person, imap = Carried(), dovecot.client(), await at(dovecot)
    await look(imap, inbox, carried)
    dovecot.put(mail(1), mail(2), mail(3))
    person.select("INBOX")
    plain = Imap.fetch

    async def fetch(self, uid):
        if uid == 2:
            await asyncio.to_thread(person.uid, "STORE", "2", "+FLAGS", r"\Deleted")
            await asyncio.to_thread(person.expunge)
        return await plain(self, uid)

    monkeypatch.setattr(Imap, "fetch", fetch)
    await look(imap, inbox, carried)
    await look(imap, inbox, carried)
    assert carried.said == ["1", "3"]
    await imap.close()
    person.logout()


# --- a server that lies -----------------------------------------------------------------------------------------------


async def lied(server: LyingImap, inbox: Inbox, carried: Carried) -> None:
    imap = await Imap.connect(Box("127.0.0.1", server.port, "none"))
    await imap.login("dr", "secret")
    await look(imap, inbox, carried)
    await imap.close()


async def test_numbers_that_change_at_every_look_bring_nothing_twice(inbox):
    carried, server = Carried(), LyingImap(every_look_anew=True)
    server.put(mail("old"))
    async with server.served():
        await lied(server, inbox, carried)
        server.put(mail("a"), mail("b"))
        sizes = []
        for n in range(5):
            await lied(server, inbox, carried)
            server.put(mail(f"new {n}"))
            sizes.append(inbox._state.one("SELECT count(*) FROM mails")[0])
        await lied(server, inbox, carried)
    assert carried.said == ["a", "b", *(f"new {n}" for n in range(5))]
    assert server.fetched == 7  # what is known is recognised without fetching it
    assert sizes[-1] - sizes[0] < 15


async def test_a_box_whose_numbers_begin_again_in_silence_loses_nothing(inbox):
    """The server was restored from a backup and kept its UIDVALIDITY: new mails get numbers that we have seen."""
    carried, server = Carried(), LyingImap()
    async with server.served():
        await lied(server, inbox, carried)
        server.put(mail("a"), mail("b"), mail("c"))
        await lied(server, inbox, carried)
        del server.mails[2], server.mails[3]
        server.put(mail("d"))
        await lied(server, inbox, carried)
        server.put(mail("e"), mail("f"))
        await lied(server, inbox, carried)
    assert carried.said == ["a", "b", "c", "d", "e", "f"]


async def test_dates_of_today_make_no_old_mail_new_and_changed_bytes_no_known_one(inbox):
    carried, server = Carried(), LyingImap()
    server.put(mail("old"))
    async with server.served():
        await lied(server, inbox, carried)
        server.put(mail("a"))
        await lied(server, inbox, carried)
        server.validity += 1
        server.mails = {1: (LATER, mail("old")), 2: (NOW, b"X-Restored: yes\r\n" + mail("a"))}
        await lied(server, inbox, carried)
    assert carried.said == ["a"]


async def test_another_mail_under_a_known_name_is_carried(inbox):
    """A stranger who knows a Message-ID hides nobody's mail, not even in a box that was rebuilt."""
    carried, server = Carried(), LyingImap()
    async with server.served():
        await lied(server, inbox, carried)
        server.put(mail("a", "bonjour"))
        await lied(server, inbox, carried)
        server.validity += 1
        server.put(mail("a", "bonsoir"), when=LATER)  # the same name, date and size
        await lied(server, inbox, carried)
    assert carried.said == ["a", "a"]


async def test_answers_that_nobody_asked_for_and_a_folder_without_keywords_stop_nothing(inbox):
    junk = (
        b'* 9 FETCH (UID 999 RFC822.SIZE 5 INTERNALDATE "99-Foo-0000 99:99:99 +9999")\r\n* FETCH\r\n* 4 EXPUNGE\r\n'
        b"* 1 FETCH (UID 0 RFC822.SIZE 1)\r\n* SEARCH 99999999999 x -3\r\n"
    )
    carried, server = Carried(), LyingImap(noise=junk, takes_keywords=False)
    async with server.served():
        await lied(server, inbox, carried)
        server.put(mail("a"), when="32-Jul-2026 25:61:61 +0000")
        await lied(server, inbox, carried)
        await lied(server, inbox, carried)
    assert carried.said == ["a"]
    assert inbox.unmarked("dr", 1) == []
