"""A whole mail host of real programs on free ports: nginx, Postfix and Dovecot as docs/operate/mail.md configures them.

The configuration is read out of that page: what is documented is what is tested. Only ports, folders and the user of the
boxes differ. swaks sends, the standard library's imaplib reads: neither knows anything of ours.
"""

import contextlib
import imaplib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.fakes.mailhost_papers import Paper, issue, revoked, signed_list
from tools.services import free_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operate" / "mail.md"
PATIENTS, PRACTICE, HOSPITAL, STRANGER = "patients.example", "practice.example", "hopital.example", "autre.example"
PROGRAMS = ("/usr/sbin/nginx", "/usr/sbin/postfix", "/usr/sbin/dovecot", "/usr/lib/dovecot/lmtp")
PATIENCE = 60.0  # seconds; a deadline, not a wait
needs_mailhost = pytest.mark.skipif(
    os.getuid() != 0 or not all(map(os.path.exists, PROGRAMS)) or not shutil.which("swaks"),
    reason="needs Debian's nginx, libnginx-mod-mail, postfix, dovecot-imapd, dovecot-lmtpd and swaks, and root to start them",
)
_FOLDERS = {
    "maillog_file_prefixes = /var/log": "maillog_file_prefixes = {}/log",
    "/etc/pli-mail": "{}/etc",
    "/var/spool/pli-mail": "{}/spool",
    "/var/lib/pli-postfix": "{}/lib",
    "/var/lib/pli-mail": "{}/bridge",
    "/var/log/pli-mail": "{}/log",
    "/run/pli-mail": "{}/run",
    "/var/mail/pli": "{}/boxes",
    "uid=vmail gid=vmail": "uid=nobody gid=nogroup",
    "0.0.0.0:25;": "127.0.0.1:2525;",
}
_PORTS = ("2525", "2425", "2400", "2401", "2402", "2587", "2143", "2993", "2424", "2412")
_PORT = re.compile(rf"\b(?:{'|'.join(_PORTS)})\b")


def until(found: Callable[[], object], what: str, logs: Callable[[], str] = str):
    """Poll until it gives something, and give that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {PATIENCE} s: {what}\n{logs()}")


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def is_gone(process: int) -> bool:
    """Whether it has ended; where nobody collects orphans, they stay as zombies."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def queue_is_empty(spool: Path) -> bool:
    """Whether Postfix has nothing to do. A mail goes from incoming to active, and its report begins in incoming."""
    return not any(path.is_file() for name in ("incoming", "active", "incoming") for path in (spool / name).rglob("*"))


class MailHost:
    """nginx, Postfix and Dovecot. Our own programs listen on `port("2400")` to `port("2402")`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        first = free_port(len(_PORTS))
        self._ports = {documented: first + place for place, documented in enumerate(_PORTS)}
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.chmod(0o755)
        for name in ("etc/postfix", "spool", "lib", "log", "run/dovecot", "boxes", "papers", "bridge"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "lib", "postfix", "postfix")
        shutil.chown(folder / "boxes", "nobody", "nogroup")
        self._write_papers()
        self._write_configuration()

    def port(self, documented: str) -> int:
        """Give the port that stands for one of the page."""
        return self._ports[documented]

    def _write_papers(self) -> None:
        self.authority = issue("AC TEST", "IGC")
        self.host = issue("localhost", "Pli", self.authority, hosts=("localhost",))
        self.hospital = issue("mx.hopital.example", "CHU", self.authority)
        self.stranger = issue("mx.autre.example", "AUTRE", self.authority)
        self.outsider = issue("mx.hopital.example", "CHU", issue("AC AUTRE", "X"))
        self.same_common_name = issue("mx.hopital.example", "AUTRE", self.authority)
        self._signer = issue("alb", "ALB", self.authority)
        self.trust({HOSPITAL: [self.hospital.name, "CN=mx2,O=CHU,C=FR"], STRANGER: [self.stranger.name]})
        etc = self.folder / "etc"
        (etc / "authority.pem").write_bytes(self.authority.pem)
        (etc / "revoked.pem").write_bytes(revoked(self.authority).public_bytes(serialization.Encoding.PEM))
        (etc / "certificate.pem").write_bytes(self.host.pem)
        (etc / "key.pem").write_bytes(self.host.key_pem)

    def trust(self, domains: dict[str, list[str]]) -> None:
        """Publish another signed list of trusted domains."""
        self.list = self.folder / "etc" / "list.xml"
        fresh = self.list.with_suffix(".new")
        fresh.write_bytes(signed_list(self._signer, domains))
        fresh.rename(self.list)

    def _write_configuration(self) -> None:
        blocks = re.findall(r"```[\w ]+\n# (/etc/pli-mail/\S+)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        assert len(blocks) == 9, [name for name, _ in blocks]
        for name, text in blocks:
            Path(self._here(name)).write_text(self._here(text))
        main = self.folder / "etc" / "postfix" / "main.cf"
        here = f"virtual_mailbox_domains = {PRACTICE}"  # the hospital's boxes are on this machine too
        patient = (
            "maximal_backoff_time = 5s\nminimal_backoff_time = 1s\nqueue_run_delay = 1s\ntransport_retry_time = 1s\n"
        )
        main.write_text(main.read_text().replace(here, f"{here}, {HOSPITAL}") + patient)
        boxes = [f"{name}:{{PLAIN}}secret" for name in (f"claire@{PRACTICE}", f"pli@{PRACTICE}", f"karim@{HOSPITAL}")]
        (self.folder / "etc" / "boxes").write_text("\n".join(boxes) + "\n")
        (self.folder / "etc" / "boxes").chmod(0o644)
        (self.folder / "etc" / "password").write_text("secret\n")
        (self.folder / "etc" / "password").chmod(0o600)

    def _here(self, text: str) -> str:
        text = _PORT.sub(lambda found: str(self._ports[found[0]]), text.replace("0.0.0.0:25;", "127.0.0.1:2525;"))
        for documented, ours in _FOLDERS.items():
            text = text.replace(documented, ours.format(self.folder))
        return text

    def start(self) -> None:
        """Start all three and wait until they answer."""
        etc, log = self.folder / "etc", self.folder / "log" / "nginx.log"
        self._start("/usr/sbin/dovecot", "-F", "-c", etc / "dovecot.conf")
        self._start("/usr/sbin/postfix", "-c", etc / "postfix", "start-fg")
        self._start("/usr/sbin/nginx", "-e", log, "-c", etc / "nginx.conf", "-g", "daemon off;")
        for port in ("2143", "2424", "2587", "2425", "2525"):
            until(lambda port=port: self._alive() and answers(self.port(port)), f"port {port}\n{self.logs()}")

    def _start(self, *words: object) -> None:
        with (self.folder / "log" / "start.log").open("ab") as log:
            made = subprocess.Popen(list(map(str, words)), stdout=log, stderr=log, start_new_session=True)
        self._processes.append(made)

    def _alive(self) -> bool:
        gone = [one.args for one in self._processes if one.poll() is not None]
        assert not gone, (gone, self.logs())
        return True

    def log(self, program: str) -> str:
        """Everything that one program said."""
        return (self.folder / "log" / f"{program}.log").read_text(errors="replace")

    def logs(self) -> str:
        """Everything the three programs said."""
        return "\n".join(each.read_text(errors="replace")[-6000:] for each in sorted((self.folder / "log").iterdir()))

    def stop(self) -> None:
        """End all three and their children."""
        self._stop_postfix()
        for one in reversed(self._processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGTERM)
        for one in self._processes:
            try:
                one.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(one.pid, signal.SIGKILL)
                one.wait(20)

    def _stop_postfix(self) -> None:
        """End the master of Postfix, which leaves the process group that it was started in."""
        with contextlib.suppress(FileNotFoundError):
            master = int((self.folder / "spool" / "pid" / "master.pid").read_text())
            with contextlib.suppress(ProcessLookupError):
                os.kill(master, signal.SIGTERM)
            until(lambda: is_gone(master), "the end of Postfix")

    def retry(self) -> None:
        """Let Postfix try now what waits, as `postqueue -f` does (which wants a service that is not here).

        Its look at the queue every second may meet a mail just being put there ("still being delivered"), which then
        waits for five minutes.
        """
        with socket.socket(socket.AF_UNIX) as queue:
            queue.connect(str(self.folder / "spool" / "public" / "qmgr"))
            queue.sendall(b"FADI")  # forget dead destinations; scan all, whenever due: deferred and incoming

    def context(self) -> ssl.SSLContext:
        """Trust our authority and nobody else."""
        return ssl.create_default_context(cafile=str(self.folder / "etc" / "authority.pem"))

    def swaks(self, *words: object, peer: Paper | None = None, body: bytes | None = None) -> tuple[int, str]:
        """Send as a stranger's mail server does; give swaks' exit code (0: taken) and the whole dialogue."""
        command = ["swaks", "--server", "localhost", "--port", self.port("2525"), "--local-interface", "127.0.0.2"]
        if peer:
            paper, key = peer.write(self.folder / "papers", f"{peer.certificate.serial_number:x}")
            command += ["--tls", "--tls-cert", paper, "--tls-key", key]
        if body is not None:
            mail = self.folder / "papers" / "mail.eml"
            mail.write_bytes(body)
            command += ["--data", f"@{mail}"]
        done = subprocess.run([*map(str, command), *map(str, words)], capture_output=True, timeout=120)
        return done.returncode, done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    @contextlib.contextmanager
    def mailbox(self, address: str) -> Iterator[imaplib.IMAP4_SSL]:
        """Look into a box with an independent program."""
        made = imaplib.IMAP4_SSL("localhost", self.port("2993"), ssl_context=self.context())
        try:
            made.login(address, "secret")
            made.select("INBOX")
            yield made
        finally:
            made.logout()

    def mails(self, address: str) -> list[bytes]:
        """Give all mails of a box, oldest first."""
        with self.mailbox(address) as box:
            found = box.fetch("1:*", "(BODY.PEEK[])")[1] if int(box.select("INBOX")[1][0]) else []
        return [each[1] for each in found if isinstance(each, tuple)]
