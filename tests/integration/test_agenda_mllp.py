"""HL7 v2 over real sockets: frames, acknowledgements, TLS on both sides, and senders that do it wrong."""

import asyncio
import ssl
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from bridges.agenda.push.er7 import MESSAGE
from bridges.agenda.push.inbox import Inbox
from bridges.agenda.push.mllp import CONNECTIONS, END, START, Feed, Listener
from tests.fakes.certificates import authority

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def booking(number, minute="00"):
    return (
        f"MSH|^~\\&|LGC|CABINET|PLI|AGENDA|20261122100000||SIU^S12|M{number}|P|2.5.1\r"
        f"SCH||F{number}|||||X||30|MIN|^^^202612010{minute}00\r"
    ).encode()


async def listening(inbox, *, tls=None, **feed):
    listener = Listener(inbox=inbox, feed=Feed(source="lgc", zone="Europe/Paris", **feed), clock=lambda: NOW)
    return listener, await listener.start("127.0.0.1", 0, tls=tls)


@pytest.fixture
async def inbox(tmp_path):
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    yield inbox
    inbox.close()


async def answer(reader):
    raw = await asyncio.wait_for(reader.readuntil(END), 30)
    assert raw.startswith(START)
    return raw[1:-2].decode()


async def one_answer(port, message, tls):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
    try:
        writer.write(START + message + END)
        return await answer(reader)
    finally:
        writer.close()


async def ended(reader):
    try:
        return await asyncio.wait_for(reader.read(), 30) == b""
    except ConnectionError:
        return True


async def test_several_messages_in_one_connection_in_pieces(inbox):
    listener, port = await listening(inbox)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = b"".join(START + booking(number, minute) + END for number, minute in ((1, "900"), (2, "930"), (1, "900")))
    for at in range(0, len(sent), 40):
        writer.write(sent[at : at + 40])
        await writer.drain()
    assert [(await answer(reader)).split("MSA|")[1][:5] for _ in range(3)] == ["AA|M1", "AA|M2", "AA|M1"]
    assert len(inbox.changes("lgc").changes) == 2
    writer.close()
    await listener.stop()


async def test_one_bad_message_does_not_end_the_connection(inbox):
    listener, port = await listening(inbox)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"garbage" + END + b"\n" + START + booking(1, "900") + END)
    assert "MSA|AR" in await answer(reader)
    assert "MSA|AA|M1" in await answer(reader)
    writer.close()
    await listener.stop()


async def test_a_message_without_end_is_refused(inbox):
    listener, port = await listening(inbox)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(START + b"x" * (MESSAGE + 70_000))
    assert "too_large" in await answer(reader)
    assert await ended(reader)
    writer.close()
    assert inbox.troubles()[0].reason == "too_large"
    await listener.stop()


async def test_what_is_no_frame_ends_the_connection(inbox):
    listener, port = await listening(inbox)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await ended(reader)
    writer.close()
    await listener.stop()


async def test_only_known_networks_and_so_many_connections(inbox):
    listener, port = await listening(inbox, networks=(ip_network("192.0.2.0/24"),))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(reader)
    writer.close()
    await listener.stop()

    listener, port = await listening(inbox)
    open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    for reader, writer in open_ones:  # each is served before one more comes
        writer.write(START + booking(1, "900") + END)
        await answer(reader)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(reader)
    for _, each in [*open_ones, (reader, writer)]:
        each.close()
    await listener.stop()


async def test_both_sides_show_a_certificate(inbox, tmp_path):
    ca = authority(tmp_path)
    listener, port = await listening(inbox, tls=ca.server_context("127.0.0.1"))
    known = ca.client_context("LGC du cabinet")
    assert "MSA|AA" in await one_answer(port, booking(1, "900"), known)
    stranger = ssl.create_default_context(cafile=ca.certificate)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await one_answer(port, booking(2, "930"), stranger)
    await listener.stop()
    assert len(inbox.changes("lgc").changes) == 1
