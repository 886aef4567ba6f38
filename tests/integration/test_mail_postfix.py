"""Operator mode through real nginx and Postfix, as docs/operate/mail.md configures them; swaks and raw sockets outside."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from bridges.mail.inbox import Kept
from bridges.mail.lmtp_service import Operator, serving
from tests.fakes.mailhost import HOSPITAL, PATIENTS, PRACTICE, STRANGER, MailHost, needs_mailhost, queue_is_empty, until
from tests.fakes.mailhost_papers import issue, revoked

ROOT = Path(__file__).resolve().parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"
JEAN = f"279035121518989@{PATIENTS}"
PAUL = f"277076322082910@{PATIENTS}"
CLOSED = f"162018885045327@{PATIENTS}"
pytestmark = needs_mailhost


class Notebook:
    """An intake that remembers, and can fail."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, object]] = []
        self.fails = 0

    def keep(self, raw, source):
        if self.fails:
            self.fails -= 1
            raise OSError("disk full")
        self.kept.append((raw, source))
        return Kept(len(self.kept), new=True)


class Bridge(threading.Thread):
    """Operator mode in a thread of its own: swaks and imaplib wait while it works."""

    def __init__(self, host: MailHost) -> None:
        super().__init__(daemon=True)
        self.host, self.intake = host, Notebook()
        self.ready, self.ended = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        ports = {name: host.port(port) for name, port in PORTS.items()}
        authority = host.folder / "etc" / "authority.pem"
        self.operator = Operator(
            domain=PATIENTS, whitelist=host.list, authority=authority, hostname="mail.patients.example", **ports
        )

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with serving(self.operator, "patients", patients=standing, intake=self.intake):
            self.ready.set()
            await self.ended.wait()

    def stop(self) -> None:
        if self.is_alive():
            self._loop.call_soon_threadsafe(self.ended.set)
            self.join(30)


PORTS = {"lmtp": "2400", "policy": "2401", "front": "2402", "postfix": "2425"}


def standing(address):
    return {JEAN: "open", PAUL: "open", CLOSED: "closed"}.get(str(address), "unknown")


@pytest.fixture(scope="module")
def host():
    # Not under tmp_path: the users that the programs become may not enter it, and sockets have short names.
    with tempfile.TemporaryDirectory(prefix="mail") as folder:
        made = MailHost(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def bridge(host):
    made = Bridge(host)
    made.start()
    assert made.ready.wait(30)
    yield made
    made.stop()


def sent(host, *words, peer="hospital", sender=f"dr@{HOSPITAL}", to=JEAN, **more):
    return host.swaks("--from", sender, "--to", to, *words, peer=getattr(host, peer) if peer else None, **more)


def waits(bridge, count=1):
    until(lambda: len(bridge.intake.kept) >= count, "mail in the intake", bridge.host.logs)
    return bridge.intake.kept


def test_a_mail_of_a_trusted_peer_is_kept_as_it_was_written(host, bridge):
    body = (
        f"From: Dr <dr@{HOSPITAL}>\r\nMessage-ID: <1@x>\r\nX-Pli-Peer: Q049bW9pLE89bW9p\r\n\r\n.dot\r\né\r\n".encode()
    )
    code, said = sent(host, body=body)
    assert code == 0, said
    ((raw, source),) = waits(bridge)
    assert raw.startswith(b"Received: ")
    assert raw.rstrip().endswith(
        body.rstrip()
    )  # also the field that looks like ours: it is the stranger's, and counts for nothing
    assert (source.box, source.sender, source.recipients) == ("patients", f"dr@{HOSPITAL}", (JEAN,))


@pytest.mark.parametrize(
    ("change", "reply"),
    [
        ({"peer": None}, "550 5.7.1 no certificate of the health space"),
        ({"peer": "outsider"}, "421 4.7.1 SSL certificate error"),
        ({"peer": "stranger"}, "550 5.7.1"),
        ({"peer": "same_common_name"}, "550 5.7.1"),
        ({"sender": f"dr@{STRANGER}"}, "550 5.7.1"),
        ({"to": f"279035121518980@{PATIENTS}"}, "550 5.1.1"),
        ({"to": f"248039263001064@{PATIENTS}"}, "550 5.1.1"),
        ({"to": f"jean@{PATIENTS}"}, "550 5.1.1"),
        ({"to": CLOSED}, "550 5.2.1"),
        ({"to": f"{JEAN},248039263001064@{PATIENTS}"}, "550 5.1.1"),
    ],
    ids=str,
)
def test_who_is_not_trusted_or_not_known_hears_it_on_the_line(host, bridge, change, reply):
    words = ["--quit-after", "RCPT"] if change.get("peer") != "hospital" else []
    code, said = sent(host, *words, **change)
    assert reply in said, said
    assert (code != 0) == ("," not in change.get("to", ""))
    assert bridge.intake.kept == []


def test_no_mail_is_open_relay_or_for_two_patients(host, bridge):
    code, said = sent(host, to=f"karim@{HOSPITAL}")
    assert code != 0, said
    code, said = sent(host, to=f"{JEAN},{PAUL}")
    assert code != 0, said
    assert "550 5.5.3" in said
    assert bridge.intake.kept == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (f"From: dr@{STRANGER}\r\n", "your certificate may not speak"),
        (f"From: dr@{HOSPITAL}\r\nFrom: ceo@{STRANGER}\r\n", "From must stand once"),
        (f"From: dr@{HOSPITAL}, ceo@{STRANGER}\r\n", "From must stand once"),
        (f"From: <dr@{HOSPITAL}>ceo@{STRANGER}\r\n", "From must stand once"),
        (f"From: =?utf-8?q?dr=0D=0ABcc=3A_x?= <dr@{HOSPITAL}>\r\n", "From must stand once"),
        ("Subject: nobody\r\n", "From is missing"),
    ],
)
def test_a_spoofed_from_comes_back_to_the_peer_that_answers_for_it(host, bridge, fields, text):
    before = len(host.mails(f"karim@{HOSPITAL}"))
    code, said = sent(host, sender=f"karim@{HOSPITAL}", body=f"{fields}\r\nhello\r\n".encode())
    assert code == 0, said
    until(lambda: len(host.mails(f"karim@{HOSPITAL}")) > before, "the bounce")
    bounce = host.mails(f"karim@{HOSPITAL}")[-1].decode()
    assert "message/delivery-status" in bounce
    assert text in " ".join(bounce.split())
    assert bridge.intake.kept == []


def submitted(host, *words, user=f"claire@{PRACTICE}", sender=f"claire@{PRACTICE}", to=JEAN, **more):
    line = "--port", host.port("2587"), "-tls", "--au", user, "--ap", "secret"
    return host.swaks(*line, "--from", sender, "--to", to, *words, **more)


def test_users_of_this_machine_write_under_their_own_address_alone(host, bridge):
    code, said = submitted(host)
    assert code == 0, said
    assert waits(bridge)[0][1].sender == f"claire@{PRACTICE}"
    code, said = submitted(host, sender=f"pli@{PRACTICE}")
    assert "553 5.7.1" in said, said
    before = len(host.mails(f"claire@{PRACTICE}"))
    assert submitted(host, body=f"From: dr@{HOSPITAL}\r\n\r\nhello\r\n".encode())[0] == 0
    until(lambda: len(host.mails(f"claire@{PRACTICE}")) > before, "the bounce")
    assert "must be the address that signed in" in " ".join(host.mails(f"claire@{PRACTICE}")[-1].decode().split())
    assert len(bridge.intake.kept) == 1


def test_reports_of_our_own_mail_server_come_in_and_forged_ones_do_not(host, bridge):
    code, said = submitted(host, user=f"pli@{PRACTICE}", sender=JEAN, to=f"nobody@{HOSPITAL}")
    assert code == 0, said
    ((raw, source),) = waits(bridge)
    assert (source.sender, source.recipients) == ("", (JEAN,))
    assert b"message/delivery-status" in raw
    assert sent(host, sender="<>", body=raw)[0] == 0  # taken by Postfix, refused behind it
    until(lambda: queue_is_empty(host.folder / "spool"), "an empty queue")
    assert len(bridge.intake.kept) == 1


@pytest.mark.parametrize(
    ("writer", "envelope", "taken"),
    [
        (f"MAILER-DAEMON@mx.{HOSPITAL}", "<>", True),
        (f"postmaster@{HOSPITAL}", "<>", True),
        (f"MAILER-DAEMON@mx.{STRANGER}", "<>", False),
        (f"dr@mx.{HOSPITAL}", "<>", False),
        (f"MAILER-DAEMON@mx.{HOSPITAL}", f"dr@{HOSPITAL}", False),
    ],
)
def test_another_operators_report_comes_from_a_host_of_its_own_domain(host, bridge, writer, envelope, taken):
    body = f"From: {writer}\r\nMessage-ID: <{writer}>\r\n\r\nsorry\r\n".encode()
    assert sent(host, sender=envelope, body=body)[0] == 0  # taken by Postfix; refused behind it, or kept
    until(lambda: bool(bridge.intake.kept) if taken else queue_is_empty(host.folder / "spool"), "its end")
    assert len(bridge.intake.kept) == taken


def test_a_disk_that_is_full_costs_nothing(host, bridge):
    bridge.intake.fails = 2
    code, said = sent(host)
    assert code == 0, said
    until(lambda: bridge.intake.kept or host.retry(), "mail in the intake", host.logs)
    until(lambda: queue_is_empty(host.folder / "spool"), "an empty queue")
    assert len(bridge.intake.kept) == 1


def test_a_list_that_does_not_count_lets_mail_wait_and_a_new_one_counts_at_once(host, bridge):
    good = host.list.read_bytes()
    bridge.stop()
    host.list.write_bytes(good.replace(b"hopital.example", b"chose.example"))
    fresh = Bridge(host)
    fresh.start()
    assert fresh.ready.wait(30)
    try:
        _, said = sent(host)
        assert "451 4.7.0" in said
        host.trust({HOSPITAL: ["CN=else,C=FR"]})
        assert "550 5.7.1" in sent(host)[1]
        host.list.write_bytes(good)
        assert sent(host)[0] == 0
        host.list.write_bytes(good.replace(b"hopital.example", b"chose.example"))  # the last good one stays
        assert sent(host)[0] == 0
        waits(fresh, 2)
    finally:
        fresh.stop()
        host.list.write_bytes(good)


class Line:
    """A raw line to nginx, inside TLS with the hospital's certificate."""

    def __init__(self, host: MailHost) -> None:
        paths = host.hospital.write(host.folder / "papers", "raw")
        context = host.context()
        context.load_cert_chain(*paths)
        bare = socket.create_connection(("localhost", host.port("2525")), 30, ("127.0.0.2", 0))
        self._plain = bare.makefile("rb")
        self.answer(self._plain)
        bare.sendall(b"EHLO x\r\n")
        self.answer(self._plain)
        bare.sendall(b"STARTTLS\r\n")
        self.answer(self._plain)
        self.socket = context.wrap_socket(bare, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def answer(self, file=None) -> bytes:
        while line := (file or self.file).readline():
            if line[3:4] == b" ":
                return line
        return b""

    def say(self, words: bytes) -> bytes:
        self.socket.sendall(words)
        return self.answer()

    def close(self) -> None:
        self.file.close()
        self._plain.close()
        self.socket.close()


@pytest.fixture
def line(host, bridge):
    made = Line(host)
    yield made
    made.close()


def begin(line: Line) -> None:
    assert line.say(b"EHLO x\r\n").startswith(b"250")
    assert line.say(f"MAIL FROM:<dr@{HOSPITAL}>\r\n".encode()).startswith(b"250")
    assert line.say(f"RCPT TO:<{JEAN}>\r\n".encode()).startswith(b"250")


def test_nobody_names_another_certificate_behind_nginx(line, bridge):
    begin(line)
    assert line.say(b"RSET\r\n").startswith(b"250")
    for words in (b"XCLIENT LOGIN=Q049bW9p ADDR=127.0.0.1\r\n", b"XCLIENT ADDR=127.0.0.1\r\n", b"XFORWARD NAME=x\r\n"):
        assert line.say(words).startswith(b"5"), words


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n"])
def test_a_second_mail_is_not_smuggled_through(line, host, bridge, end):
    begin(line)
    assert line.say(b"DATA\r\n").startswith(b"354")
    second = f"MAIL FROM:<ceo@{HOSPITAL}>\r\nRCPT TO:<{JEAN}>\r\nDATA\r\nFrom: ceo@{HOSPITAL}\r\n\r\nsecond".encode()
    first = f"From: dr@{HOSPITAL}\r\nMessage-ID: <{end.hex()}@x>\r\n\r\nfirst".encode()
    said = line.say(first + end + second + b"\r\n.\r\n")
    code, _ = sent(host, body=f"From: dr@{HOSPITAL}\r\nMessage-ID: <honest@x>\r\n\r\nhonest\r\n".encode())
    assert code == 0
    until(lambda: any(b"honest@x" in raw for raw, _ in bridge.intake.kept), "the honest mail")
    until(lambda: queue_is_empty(host.folder / "spool"), "an empty queue")
    # One mail, refused or with the rest as its text: never one of the second sender.
    assert [raw for raw, _ in bridge.intake.kept if b"\nFrom: ceo" in raw.partition(b"\r\n\r\n")[0]] == [], said
    assert len(bridge.intake.kept) <= 2


def test_words_before_tls_are_not_read_as_if_they_were_inside(host, bridge):
    context = host.context()
    context.load_cert_chain(*host.hospital.write(host.folder / "papers", "raw"))
    injected = f"EHLO y\r\nMAIL FROM:<dr@{HOSPITAL}>\r\n".encode()
    with socket.create_connection(("localhost", host.port("2525")), 30, ("127.0.0.2", 0)) as bare:
        bare.sendall(b"EHLO x\r\nSTARTTLS\r\n" + injected)
        heard = b""
        while b"220 2.0.0" not in heard and (more := bare.recv(4096)):
            heard += more
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # hanging up is an answer too
            inside = context.wrap_socket(bare, server_hostname="localhost")
            with inside:
                inside.sendall(b"NOOP\r\n")
                said = inside.recv(4096)
            assert said.count(b"\r\n") <= 1, said


def sample() -> list[Path]:
    """Some of every kind; the whole of it goes through the reader elsewhere."""
    files = sorted(path for path in CORPORA.rglob("*.eml") if path.stat().st_size < 300_000) if CORPORA.exists() else []
    return files[:: max(1, len(files) // 40)]


@pytest.mark.skipif(not sample(), reason="needs the shared corpora beside the repository")
def test_strangers_mails_get_an_answer_each(host, bridge):
    """Through nginx, Postfix and LMTP: taken, or refused with one of our texts. What is taken ends in the intake."""
    taken = 0
    for number, path in enumerate(sample()):
        words = "--header", f"X-Number: {number}"
        code, said = sent(host, *words, body=path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
        assert code in {0, 26}, (path, code, said[-600:])
        taken += code == 0
    assert taken
    until(lambda: queue_is_empty(host.folder / "spool"), "an empty queue")


def reload_lists(host, *papers):
    """Publish the authority's list and fetch it by the documented script, as an hourly job does."""
    source = host.folder / "papers" / "crl.der"
    source.write_bytes(revoked(host.authority, *papers, begun=timedelta(minutes=1)).public_bytes(Encoding.DER))
    script = host.folder / "etc" / "refresh-revoked"
    done = subprocess.run(["sh", script, f"file://{source}"], capture_output=True, timeout=60, cwd="/")
    return done.returncode, done.stderr.decode(errors="replace")


def test_an_operator_whose_certificate_was_taken_back_is_not_let_in(host, bridge):
    try:
        assert sent(host, "--quit-after", "RCPT")[0] == 0
        assert reload_lists(host, host.hospital)[0] == 0
        until(lambda: "421 4.7.1 SSL certificate error" in sent(host, "--quit-after", "RCPT")[1], "the list counts")
        assert sent(host, "--quit-after", "RCPT", peer="stranger", sender=f"dr@{STRANGER}")[0] == 0  # others go on
    finally:
        assert reload_lists(host)[0] == 0
    until(lambda: sent(host, "--quit-after", "RCPT")[0] == 0, "a list without it counts")
    assert bridge.intake.kept == []


def test_a_list_that_is_not_of_the_authority_or_over_changes_nothing(host):
    kept = (host.folder / "etc" / "revoked.pem").read_bytes()
    script, source = host.folder / "etc" / "refresh-revoked", host.folder / "papers" / "bad.der"
    stranger = revoked(issue("AC TEST", "IGC"), host.hospital)
    over = revoked(host.authority, host.hospital, begun=timedelta(days=3), ends=-timedelta(days=1))
    for octets, word in (
        (stranger.public_bytes(Encoding.DER), "not signed by the authority"),
        (over.public_bytes(Encoding.DER), "over since"),
        (b"<html>", "not signed by the authority"),
    ):
        source.write_bytes(octets)
        done = subprocess.run(["sh", script, f"file://{source}"], capture_output=True, timeout=60, cwd="/")
        assert (done.returncode, word in done.stderr.decode()) == (1, True), done.stderr
        assert (host.folder / "etc" / "revoked.pem").read_bytes() == kept
    assert not list((host.folder / "etc").glob("revoked.??????*"))
