"""Taking mail out of a real Dovecot: nothing lost, nothing twice, whatever is killed on the way."""

import asyncio
import imaplib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from nacl.secret import SecretBox

from bridges.mail.imap import MARK, Box, Imap, ImapError
from bridges.mail.inbox import Inbox
from bridges.mail.intake import Folder
from bridges.mail.judging import Judge, Verdict
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State

ROOT = Path(__file__).resolve().parents[2]
DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
KEY = bytes(range(32))
needs_dovecot = pytest.mark.skipif(
    not Path(DOVECOT).exists() or os.getuid() != 0, reason="needs Debian's dovecot-imapd, and root to start it"
)
CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(tz=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


class Dovecot:
    """A server of our own on free ports, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        user = pwd.getpwnam("nobody")
        write_certificate(folder)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", user.pw_uid, user.pw_gid)
        folder.chmod(0o755)
        names = {"user": "nobody", "group": "nogroup", "port": self.port, "tls_port": self.tls_port}
        (folder / "conf").write_text(CONFIGURATION.format(folder=folder, **names))
        self._process = subprocess.Popen([DOVECOT, "-F", "-c", str(folder / "conf")], stderr=subprocess.PIPE)
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                self.client().logout()
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.05)
            else:
                return
        log = self.folder / "log"
        raise AssertionError(log.read_text() if log.exists() else self._process.stderr.read())

    def client(self) -> imaplib.IMAP4:
        """An independent client: the standard library's."""
        made = imaplib.IMAP4("127.0.0.1", self.port)
        made.login("dr", "secret")
        return made

    def put(self, *mails: bytes) -> None:
        one = self.client()
        answers = [one.append("INBOX", None, None, mail) for mail in mails]
        one.logout()
        assert {answer[0] for answer in answers} == {"OK"}, answers

    def flags(self) -> list[bytes]:
        one = self.client()
        one.select("INBOX", readonly=True)
        found = one.fetch("1:*", "(FLAGS)")[1]
        one.logout()
        return [each for each in found if each]

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._process.stderr.close()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    # Not under tmp_path: the user that Dovecot becomes may not enter it, and sockets have short names.
    with tempfile.TemporaryDirectory(prefix="dovecot") as folder:
        made = Dovecot(Path(folder))
        yield made
        made.stop()


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
async def test_only_later_mails_are_named(dovecot):
    dovecot.put(mail(1), mail(2))
    imap = await connected(dovecot)
    await imap.select("INBOX")
    assert await imap.uids_after(0) == [1, 2]
    assert await imap.uids_after(1) == [2]
    assert await imap.uids_after(2) == []
    assert await imap.size(2) == len(await imap.fetch(2)) == len(mail(2))
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
