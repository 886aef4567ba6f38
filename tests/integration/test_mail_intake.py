"""Taking mail out of a real Dovecot: nothing lost, nothing twice, whatever is killed on the way."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nacl.secret import SecretBox

from bridges.mail.imap import MARK, Box, Imap, ImapError
from bridges.mail.inbox import Inbox
from bridges.mail.intake import Folder
from bridges.mail.judging import Judge, Verdict
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State
from tests.fakes.dovecot import Dovecot, needs_dovecot, running_dovecot

ROOT = Path(__file__).resolve().parents[2]
KEY = bytes(range(32))


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as made:
        yield made


def mail(number: int) -> bytes:
    return f"From: a@x.fr\r\nMessage-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbonjour {number}\r\n".encode()


def opened(path: Path) -> Inbox:
    box = SecretBox(KEY)
    return Inbox(State(path, seal=lambda raw: bytes(box.encrypt(raw)), unseal=box.decrypt))


class AcceptAll:
    """Stands where conversations would be."""

    async def decide(self, taken, reading):
        return Verdict("accepted")


async def connected(dovecot: Dovecot) -> Imap:
    made = await Imap.connect(Box("localhost", dovecot.port, "starttls"), context=dovecot.context())
    await made.login("dr", "secret")
    return made


async def one_pass(dovecot: Dovecot, inbox: Inbox) -> None:
    imap = await connected(dovecot)
    folder = Folder("dr", inbox)
    async with Sandbox() as sandbox:
        await folder.take(imap, "INBOX")
        await Judge(inbox._state, inbox, sandbox, AcceptAll()).judge("dr")
        await folder.mark(imap, "INBOX")
    await imap.close()


@needs_dovecot
async def test_mail_is_taken_judged_and_marked_once(dovecot, tmp_path):
    dovecot.put(mail(1), b"Subject: nobody\r\n\r\nx", mail(2), mail(1))
    inbox = opened(tmp_path / "inbox.db")
    await one_pass(dovecot, inbox)
    expected = {"accepted": 2, "quarantined": 1, "repeat": 1}
    assert inbox.counts("dr") == expected
    assert all(MARK.encode() in each and b"\\Seen" not in each for each in dovecot.flags())
    await one_pass(dovecot, inbox)
    assert inbox.counts("dr") == expected
    dovecot.put(mail(3))
    await one_pass(dovecot, inbox)
    assert inbox.counts("dr") == {**expected, "accepted": 3}
    assert inbox.replay("dr") == 1
    await one_pass(dovecot, inbox)
    assert inbox.counts("dr") == {**expected, "accepted": 3}
    inbox._state.close()
    assert all(b"bonjour" not in each.read_bytes() for each in tmp_path.glob("inbox.db*"))


@needs_dovecot
async def test_what_came_before_the_bridge_is_left_alone(dovecot, tmp_path):
    dovecot.put(mail(1), mail(2))
    inbox, imap = opened(tmp_path / "inbox.db"), await connected(dovecot)
    folder = Folder("dr", inbox, history=False)
    assert await folder.take(imap, "INBOX") == 0
    dovecot.put(mail(3))
    assert await folder.take(imap, "INBOX") == 1
    assert b"bonjour 3" in inbox.next("dr").raw
    assert await folder.take(imap, "INBOX") == 0
    await imap.close()
    inbox._state.close()


@needs_dovecot
async def test_only_later_mails_are_named(dovecot):
    dovecot.put(mail(1), mail(2))
    imap = await connected(dovecot)
    await imap.select("INBOX")
    assert await imap.uids_after(0) == [1, 2]
    assert await imap.uids_after(1) == [2]
    assert await imap.uids_after(2) == []
    (look,) = await imap.look([2, 9])
    assert look.size == len(await imap.fetch(2)) == len(mail(2))
    assert look.names == b"Message-ID: <2@x>"
    assert abs(look.arrived - time.time()) < 3600
    assert await imap.fetch(7) is None
    await imap.check(5)
    await imap.close()


@needs_dovecot
async def test_a_box_that_was_rebuilt_brings_nothing_twice(dovecot, tmp_path):
    dovecot.put(mail(1), mail(2))
    inbox = opened(tmp_path / "inbox.db")
    await one_pass(dovecot, inbox)
    for name in dovecot.folder.glob("mail/dr/dovecot*"):
        name.unlink()  # Dovecot loses its numbers: another UIDVALIDITY, all UIDs from 1
    time.sleep(1.1)  # UIDVALIDITY is a time in seconds
    await one_pass(dovecot, inbox)
    assert inbox.counts("dr") == {"accepted": 2, "repeat": 2}
    inbox._state.close()


@needs_dovecot
async def test_a_wrong_password_a_stranger_certificate_and_a_bare_line_are_refused(dovecot):
    made = await Imap.connect(Box("localhost", dovecot.tls_port, "tls"), context=dovecot.context())
    with pytest.raises(ImapError) as refused:
        await made.login("dr", "wrong")
    assert refused.value.code == "refused"
    await made.close()
    with pytest.raises(ImapError) as stranger:
        await Imap.connect(Box("localhost", dovecot.tls_port, "tls"))
    assert stranger.value.code == "lost"
    with pytest.raises(ImapError) as bare:
        await Imap.connect(Box("imap.example.org", 143, "none"))
    assert bare.value.code == "not_private"


CHILD = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("intake_test", sys.argv[2])
test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)
class Known:
    port = int(sys.argv[3])
    folder = Path(sys.argv[4])
    context = test.Dovecot.context
async def forever():
    inbox = test.opened(Path(sys.argv[5]))
    while True:
        await test.one_pass(Known(), inbox)
        await asyncio.sleep(0.01)
asyncio.run(forever())
"""


@needs_dovecot
async def test_a_bridge_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing(dovecot, tmp_path):
    path, total, kills = tmp_path / "inbox.db", 300, 12
    words = [sys.executable, "-c", CHILD, ROOT, Path(__file__), dovecot.port, dovecot.folder, path]
    for kill in range(kills):
        child = subprocess.Popen(list(map(str, words)), start_new_session=True)
        dovecot.put(*map(mail, range(kill * total // kills, (kill + 1) * total // kills)))
        await asyncio.sleep(0.4 + kill * 0.11)  # at another point of its work each time
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    inbox = opened(path)
    await one_pass(dovecot, inbox)
    assert inbox.counts("dr") == {"accepted": total}
    inbox._state.close()
    assert len([each for each in dovecot.flags() if MARK.encode() in each]) == total


async def talk(answers: bytes, *, security: str = "none"):
    """Serve fixed bytes to one client."""
    left = asyncio.Event()

    async def serve(reader, writer):
        writer.write(answers)
        writer.write_eof()
        await reader.read()  # until the client has left
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        try:
            return await Imap.connect(Box("127.0.0.1", server.sockets[0].getsockname()[1], security))
        finally:
            await asyncio.wait_for(left.wait(), 10)


async def test_words_before_tls_are_refused():
    with pytest.raises(ImapError) as refused:
        await talk(b"* OK hi\r\np1 OK begin TLS\r\n* OK injected\r\n", security="starttls")
    assert refused.value.code == "not_private"


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        (b"* BYE\r\n", "bad_answer"),
        (b"x" * 70000 + b"\r\n", "bad_answer"),
        (b"", "lost"),
        (b"* OK {99999999}\r\n", "bad_answer"),
    ],
)
async def test_a_server_that_talks_nonsense(answers, code):
    with pytest.raises(ImapError) as refused:
        await asyncio.wait_for(talk(answers), 10)
    assert refused.value.code == code


@pytest.mark.parametrize("folder", ['a"\r\nLOGOUT', "a\r\n", 'x" y', "é", ""])
async def test_a_folder_name_writes_no_command(folder):
    imap = Imap(asyncio.StreamReader(), None)
    with pytest.raises(ImapError):
        await imap.select(folder)
