"""Our LMTP server, spoken to byte by byte: what a hostile or broken mail server could say."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bridges.mail import limits, lmtp
from bridges.mail.lmtp import DONE, Envelope, Lmtp, Reply

REFUSED = Reply(550, "5.1.1", "unknown patient")
SOUND = b"From: a@x.fr\r\nSubject: hi\r\n\r\nhello\r\n"


class Door:
    """Takes everything but `nobody@…`."""

    def __init__(self) -> None:
        self.taken: list[tuple[Envelope, bytes]] = []
        self.fails = False

    def refuse_patient(self, recipient):
        return REFUSED if recipient.local == "nobody" else None

    async def mail(self, envelope, raw):
        if self.fails:
            raise OSError("disk full")
        self.taken.append((envelope, raw))
        return [DONE if each.local != "late" else REFUSED for each in envelope.recipients]


@asynccontextmanager
async def served(door, **how):
    server = await asyncio.start_server(Lmtp(door, **how).serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def say(port: int, *words: bytes) -> list[bytes]:
    """Say everything at once and give every line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(words))
    try:
        return (await asyncio.wait_for(reader.read(), 30)).split(b"\r\n")[:-1]
    finally:
        writer.close()
        await writer.wait_closed()


def codes(lines: list[bytes]) -> list[int]:
    return [int(line[:3]) for line in lines if line[3:4] == b" "]


def letter(*recipients: str, body: bytes = SOUND, sender: str = "dr@x.fr") -> bytes:
    to = b"".join(f"RCPT TO:<{each}>\r\n".encode() for each in recipients)
    return f"MAIL FROM:<{sender}> BODY=8BITMIME SIZE=100\r\n".encode() + to + b"DATA\r\n" + body + b".\r\n"


async def test_every_recipient_gets_a_reply_of_its_own():
    door = Door()
    async with served(door) as port:
        said = await say(port, b"LHLO x\r\n", letter("a@x.fr", "nobody@x.fr", "late@x.fr"), b"QUIT\r\n")
    assert codes(said) == [220, 250, 250, 250, 550, 250, 354, 250, 550, 221]
    assert b"250-PIPELINING" in said
    assert b"250-8BITMIME" in said
    assert f"250 SIZE {limits.RAW}".encode() in said
    ((envelope, raw),) = door.taken
    assert (str(envelope.sender), [str(each) for each in envelope.recipients]) == ("dr@x.fr", ["a@x.fr", "late@x.fr"])
    assert raw == SOUND


async def test_stuffed_dots_are_taken_off_and_a_dot_in_the_first_line_counts():
    door = Door()
    async with served(door) as port:
        stuffed = letter("a@x.fr", body=b"..first\r\nx\r\n..\r\n...y\r\n")
        await say(port, b"LHLO x\r\n", stuffed, letter("a@x.fr", body=b""), b"QUIT\r\n")
    assert [raw for _, raw in door.taken] == [b".first\r\nx\r\n.\r\n..y\r\n", b""]


async def test_a_mail_cut_anywhere_is_read_the_same():
    door, whole = Door(), b"LHLO x\r\n" + letter("a@x.fr", body=b"a\r\n..\r\nb\r\n") + b"QUIT\r\n"
    async with served(door) as port:
        for cut in range(len(whole)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(whole[:cut])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(whole[cut:])
            assert (await asyncio.wait_for(reader.read(), 30)).endswith(b"221 2.0.0 bye\r\n")
            writer.close()
            await writer.wait_closed()
    assert {raw for _, raw in door.taken} == {b"a\r\n.\r\nb\r\n"}
    assert len(door.taken) == len(whole)


SMUGGLED = b"MAIL FROM:<ceo@x.fr>\r\nRCPT TO:<a@x.fr>\r\nDATA\r\nFrom: ceo@x.fr\r\n\r\nsecond\r\n"


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\n.\r\r\n"])
async def test_a_second_mail_behind_another_end_is_refused_with_the_first(end):
    door = Door()
    async with served(door) as port:
        body = b"From: a@x.fr\r\n\r\nfirst" + end + SMUGGLED
        said = await say(port, b"LHLO x\r\n", letter("a@x.fr", body=body), b"QUIT\r\n")
    assert codes(said) == [220, 250, 250, 250, 354, 554, 221]
    assert door.taken == []


@pytest.mark.parametrize(
    "words",
    [
        b"LHLO x\nMAIL FROM:<a@x.fr>\r\n",
        b"LHLO x\rNOOP\r\n",
        b"NOOP" + b"x" * 5000 + b"\r\n",
        b"x" * 5000,
    ],
)
async def test_a_command_with_another_line_end_or_without_one_ends_the_talk(words):
    async with served(Door()) as port:
        assert codes(await say(port, words))[-1] == 500


@pytest.mark.parametrize(
    "command",
    [
        b"MAIL FROM:<a@x.fr> SMTPUTF8<",
        b"MAIL FROM:<a@good.fr>evil@bad.fr",
        b'MAIL FROM:<"a b"@x.fr>',
        b"MAIL FROM:<\xc3\xa9@x.fr>",
        b"MAIL FROM:<a@x>",
        b"MAIL FROM: <a@x.fr>",
        b"MAIL FROM:a@x.fr",
        b"MAIL FROM:<@relay.fr:a@x.fr>",
    ],
)
async def test_an_address_that_is_none_is_refused(command):
    async with served(Door()) as port:
        assert codes(await say(port, b"LHLO x\r\n", command, b"\r\nQUIT\r\n")) == [220, 250, 553, 221]


async def test_orders_out_of_order_and_too_many_errors():
    door = Door()
    async with served(door) as port:
        said = await say(
            port, b"MAIL FROM:<a@x.fr>\r\nLHLO x\r\nDATA\r\nRCPT TO:<a@x.fr>\r\nHELO x\r\n", b"STARTTLS\r\nQUIT\r\n"
        )
        assert codes(said) == [220, 503, 250, 503, 503, 500, 500, 221]
        assert codes(await say(port, b"VRFY a\r\n" * 20))[-1] == 421
        many = b"".join(b"RCPT TO:<a%d@x.fr>\r\n" % number for number in range(lmtp.RECIPIENTS + 1))
        assert codes(await say(port, b"LHLO x\r\nMAIL FROM:<>\r\n", many, b"QUIT\r\n"))[-2] == 452
    assert door.taken == []


async def test_what_is_too_large_is_said_before_and_after(monkeypatch):
    monkeypatch.setattr(limits, "RAW", 1000)
    door = Door()
    async with served(door) as port:
        said = await say(port, b"LHLO x\r\nMAIL FROM:<a@x.fr> SIZE=1001\r\nQUIT\r\n")
        assert codes(said) == [220, 250, 552, 221]
        large = letter("a@x.fr", body=b"x" * 100_000 + b"\r\n")
        said = await say(port, b"LHLO x\r\n", large, letter("a@x.fr"), b"QUIT\r\n")
        assert codes(said) == [220, 250, 250, 250, 354, 552, 250, 250, 354, 250, 221]
    assert len(door.taken) == 1


async def test_a_fault_behind_the_door_leaves_the_mail_with_its_sender():
    door = Door()
    door.fails = True
    async with served(door) as port:
        said = await say(port, b"LHLO x\r\n", letter("a@x.fr", "b@x.fr"), b"QUIT\r\n")
    assert codes(said) == [220, 250, 250, 250, 250, 354, 451, 451, 221]


async def test_a_client_that_leaves_within_a_mail_leaves_nothing():
    door = Door()
    async with served(door) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"LHLO x\r\n" + letter("a@x.fr")[:-3])
        await reader.readuntil(b"354")
        writer.close()
        await writer.wait_closed()
        assert codes(await say(port, b"QUIT\r\n")) == [220, 221]
    assert door.taken == []


async def test_slow_and_many_clients_are_sent_away(monkeypatch):
    door = Door()
    async with served(door, clients=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.readline()).startswith(b"220")
        assert codes(await say(port)) == [421]
        monkeypatch.setattr(lmtp, "IDLE", 0.2)  # no sooner: the other client had to find this one still there
        writer.write(b"NOOP\r\n")
        assert codes((await asyncio.wait_for(reader.read(), 30)).split(b"\r\n")) == [250]  # then idle: closed
        writer.close()
        await writer.wait_closed()
        monkeypatch.setattr(lmtp, "IDLE", 1.0)
        monkeypatch.setattr(lmtp, "WHOLE", 1.5)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"LHLO x\r\n" + letter("a@x.fr")[:-3])
        await drip(writer, 0.9)
        assert codes((await asyncio.wait_for(reader.read(), 30)).split(b"\r\n"))[-1] == 421
        writer.close()
    assert door.taken == []


async def drip(writer, seconds: float) -> None:
    """A byte now and then: never idle. It ends before the server does, whose last words a byte on its way would undo."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        writer.write(b"x")
        await asyncio.sleep(0.05)
