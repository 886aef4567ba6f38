"""A Dovecot of our own on free ports: real IMAP, read and filled by the standard library's client."""

import imaplib
import os
import pwd
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fakes.mailhost_papers import Paper
from tools.services import free_port

DOVECOT = shutil.which("dovecot") or "/usr/sbin/dovecot"
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
auth_mechanisms = {mechanisms}
first_valid_uid = 0
mail_location = maildir:{folder}/mail/%u
default_login_user = {user}
default_internal_user = {user}
default_internal_group = {group}
passdb {{
  driver = static
  mechanisms = plain
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
{more}
"""


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

    def __init__(self, folder: Path, mechanisms: str = "plain", more: str = "", paper: Paper | None = None) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        user = pwd.getpwnam("nobody")
        if paper is None:
            write_certificate(folder)
        else:
            (folder / "cert.pem").write_bytes(paper.pem)
            (folder / "key.pem").write_bytes(paper.key_pem)
        (folder / "mail").mkdir()
        os.chown(folder / "mail", user.pw_uid, user.pw_gid)
        folder.chmod(0o755)
        given = {"mechanisms": mechanisms, "more": more.replace("{folder}", str(folder))}
        names = {"user": "nobody", "group": "nogroup", "port": self.port, "tls_port": self.tls_port}
        (folder / "conf").write_text(CONFIGURATION.format(folder=folder, **names, **given))
        self.start()

    def start(self) -> None:
        """Begin to answer, on the same ports each time."""
        words = [DOVECOT, "-F", "-c", str(self.folder / "conf")]
        self._process = subprocess.Popen(words, stderr=subprocess.PIPE)
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                imaplib.IMAP4("127.0.0.1", self.port, timeout=10).logout()  # greeted: it can also ask who we are
            except (OSError, imaplib.IMAP4.error):
                time.sleep(0.05)
            else:
                return
        log = self.folder / "log"
        raise AssertionError(log.read_text() if log.exists() else self._process.stderr.read())

    def client(self, user: str = "dr") -> imaplib.IMAP4:
        """An independent client: the standard library's."""
        made = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        made.login(user, "secret")
        return made

    def put(self, *mails: bytes, user: str = "dr") -> None:
        one = self.client(user)
        answers = [one.append("INBOX", None, None, mail) for mail in mails]
        one.logout()
        assert {answer[0] for answer in answers} == {"OK"}, answers

    def mails(self, user: str = "dr") -> list[bytes]:
        """Every mail of the box, oldest first."""
        one = self.client(user)
        count = int(one.select("INBOX", readonly=True)[1][0])
        found = one.fetch("1:*", "(BODY.PEEK[])")[1] if count else []
        one.logout()
        return [each[1] for each in found if isinstance(each, tuple)]

    def flags(self) -> list[bytes]:
        one = self.client()
        one.select("INBOX", readonly=True)
        found = one.fetch("1:*", "(FLAGS)")[1]
        one.logout()
        return [each for each in found if each]

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "cert.pem"))

    def stop(self) -> None:
        """End it with its children: some of them would go on serving the connections they have."""
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._process.send_signal(signal.SIGTERM)
        for each in children:  # SIGKILL: each holds the listening sockets that the next start needs
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        self._process.wait(20)
        self._process.stderr.close()


@contextmanager
def running_dovecot(
    place: Path | None = None, *, mechanisms: str = "plain", more: str = "", paper: Paper | None = None
) -> Iterator[Dovecot]:
    """Run one until the block ends, in a new folder of ``place``; ``more`` is configuration ({folder}: its own)."""
    # Not under tmp_path: the user that Dovecot becomes may not enter it, and sockets have short names.
    with tempfile.TemporaryDirectory(prefix="dovecot", dir=place) as folder:
        made = Dovecot(Path(folder), mechanisms, more, paper)
        try:
            yield made
        finally:
            made.stop()
