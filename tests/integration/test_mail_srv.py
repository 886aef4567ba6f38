"""Servers found in the DNS and tried in turn: real DNS answers over UDP, real TLS, targets that do not answer."""

import asyncio
import contextlib
import socket
import ssl

import dns.asyncresolver
import dns.message
import dns.rrset
import pytest

from bridges.mail import mailbox
from bridges.mail.config import Box, Login, Server
from bridges.mail.delivering import probe
from bridges.mail.imap import ImapError
from bridges.mail.submission import RefusedError
from bridges.mail.ways import Ways
from tests.fakes.mailhost_papers import issue
from tools.services import free_port

ADDRESS = "dr@cabinet.example"


class Names(asyncio.DatagramProtocol):
    """A name server that knows SRV records."""

    def __init__(self, records):
        self.records = records

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text()
        answer = dns.message.make_response(question)
        if texts := self.records.get(name):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "SRV", *texts))
        self.transport.sendto(answer.to_wire(), address)


@pytest.fixture
async def names(monkeypatch):
    """Fill in records; hosts below the domain are this machine."""
    loop, records = asyncio.get_running_loop(), {}
    transport, _ = await loop.create_datagram_endpoint(lambda: Names(records), local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    monkeypatch.setattr(dns.asyncresolver, "default_resolver", resolver)
    usual = socket.getaddrinfo

    def here(host, *more, **named):
        return usual("127.0.0.1" if str(host).endswith(".example") else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    yield records
    transport.close()


@contextlib.asynccontextmanager
async def listening(greeting: bytes, paper, folder, heard: list[bytes]):
    """A server that greets inside TLS and notes what it is told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*paper.write(folder, f"{paper.certificate.serial_number:x}"))

    async def talk(reader, writer):
        writer.write(greeting)
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                heard.append(line)
                writer.write(line.split()[0] + b" NO\r\n" if greeting.startswith(b"*") else b"502 no\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def authority(tmp_path):
    made = issue("AC TEST", "IGC")
    (tmp_path / "ca.pem").write_bytes(made.pem)
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "password").chmod(0o600)
    return made


def box_of(folder) -> Box:
    login = Login(user=ADDRESS, password_file=folder / "password")
    server = Server(login=login, ca_file=folder / "ca.pem", revocation="off")
    return Box(name="dr", address=ADDRESS, owner="Cabinet", imap=server, smtp=server)


async def enter(protocol: str, box: Box) -> str:
    """Try to get in, which these servers refuse; gives what was said about it."""
    try:
        if protocol == "imap":
            async with mailbox.entered(box, Ways()):
                pass
        else:
            await probe(box, Ways())
    except (mailbox.EntryError, ImapError, RefusedError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("protocol", "service"), [("imap", "_imaps"), ("smtp", "_submissions")])
async def test_the_next_target_is_tried_and_only_the_right_name_hears_anything(
    names, authority, tmp_path, protocol, service
):
    greeting = b"* OK hello\r\n" if protocol == "imap" else b"220 hello\r\n"
    right, other = (issue(name, "Op", authority, hosts=(name,)) for name in ("c.cabinet.example", "evil.example"))
    wrong, good = list[bytes](), list[bytes]()
    async with (
        listening(greeting, other, tmp_path, wrong) as second,
        listening(greeting, right, tmp_path, good) as third,
    ):
        targets = [f"10 0 {free_port()} a.cabinet.example.", f"20 0 {second} b.cabinet.example."]
        names[f"{service}._tcp.cabinet.example."] = [*targets, f"30 0 {third} c.cabinet.example."]
        await enter(protocol, box_of(tmp_path))
        assert good, "the third was spoken to"
        assert wrong == []
        good.clear()
        names[f"{service}._tcp.cabinet.example."] = targets
        assert "certificate_other_name" in await enter(protocol, box_of(tmp_path))
        assert (wrong, good) == ([], [])


async def test_a_target_that_never_answers_costs_bounded_time(names, authority, tmp_path, monkeypatch):
    monkeypatch.setattr(mailbox, "TRY", 1.0)
    right, heard = issue("c.cabinet.example", "Op", authority, hosts=("c.cabinet.example",)), list[bytes]()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with listening(b"* OK hello\r\n", right, tmp_path, heard) as port:
            names["_imaps._tcp.cabinet.example."] = [
                f"10 0 {silent.getsockname()[1]} a.cabinet.example.",
                f"20 0 {port} c.cabinet.example.",
            ]
            async with asyncio.timeout(15):  # the patience of one connection alone is longer
                await enter("imap", box_of(tmp_path))
    assert heard
