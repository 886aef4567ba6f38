"""A small LMTP server behind the host's own mail server. Source: RFC 2033, docs/spec/mail.md 18.

Our own because mail is smuggled at the ends of lines: here only CRLF ends one, and a bare CR or LF refuses the mail.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from bridges.mail import limits
from bridges.mail.address import Address, AddressError, read_address

IDLE: Final = 60.0  # seconds between two reads
WHOLE: Final = 600.0  # seconds for one mail, however slowly its bytes come
CLIENTS: Final = 20  # connections at a time; the mail server waits and comes again
RECIPIENTS: Final = 100  # of one mail
BAD: Final = 10  # commands that are none, then the line is closed
_LINE: Final = 2048  # bytes of one command
_BLOCK: Final = 256 * 1024  # bytes of one read
_MAIL: Final = re.compile(r"FROM:<([^<>]*)>((?: [A-Z0-9]+(?:=[!-<>-~]+)?)*)", re.ASCII | re.IGNORECASE)
_RCPT: Final = re.compile(r"TO:<([^<>]*)>", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reply:
    """``code`` and enhanced ``status`` (RFC 3463) are stable; ``text`` is for people, ASCII, without line ends."""

    code: int
    status: str
    text: str

    def line(self) -> bytes:
        """Write it as it goes over the wire."""
        return f"{self.code} {self.status} {self.text}\r\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent, and to whom; the empty sender is that of reports."""

    sender: Address | None
    recipients: tuple[Address, ...]


class Door(Protocol):
    """What stands behind the server."""

    def refuse_patient(self, recipient: Address) -> Reply | None:
        """Give the refusal of a recipient, or None."""

    async def mail(self, envelope: Envelope, raw: bytes) -> list[Reply]:
        """Take a mail; one reply a recipient, 250 only for what cannot be lost any more."""


HELLO: Final = b"250-pli\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE %d\r\n" % limits.RAW
DONE: Final = Reply(250, "2.0.0", "ok")
_GO_ON: Final = b"354 end with a dot alone\r\n"
_BUSY: Final = Reply(421, "4.3.2", "too many connections")
_TIRED: Final = Reply(421, "4.7.0", "too many errors")
_LATE: Final = Reply(421, "4.4.2", "too slow")
_LINE_END: Final = Reply(500, "5.5.2", "a line ends with CR LF and nothing else")
_UNKNOWN: Final = Reply(500, "5.5.1", "unknown command")
_ORDER: Final = Reply(503, "5.5.1", "not now")
_ADDRESS: Final = Reply(553, "5.1.3", "not an address that Pli takes")
_MANY: Final = Reply(452, "4.5.3", "too many recipients")
_LARGE: Final = Reply(552, "5.3.4", "mail too large")
_SMUGGLED: Final = Reply(554, "5.6.0", "bare CR or LF in the mail")
_FAULT: Final = Reply(451, "4.3.0", "try again later")


class _LostError(Exception):
    """The other side left or is too slow."""


@dataclass(slots=True)
class _Wire:
    """Lines and mails out of a stream of bytes."""

    reader: asyncio.StreamReader
    kept: bytearray = field(default_factory=bytearray)

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(IDLE):
                block = await self.reader.read(_BLOCK)
        except (OSError, TimeoutError):
            block = b""
        if not block:
            raise _LostError
        self.kept += block

    async def line(self) -> bytes | None:
        """Give a command without its end, None for one that holds another line end or is too long."""
        while (end := self.kept.find(b"\r\n")) < 0:
            if len(self.kept) > _LINE:
                return None
            await self._more()
        line = bytes(self.kept[:end])
        del self.kept[: end + 2]
        return None if len(line) > _LINE or b"\r" in line or b"\n" in line else line

    async def body(self) -> bytes | None:
        """Give what comes before the dot alone, without stuffed dots; None when it is over the limit."""
        whole, searched = bytearray(b"\r\n"), 0  # so that a dot on the first line ends it too
        too_large = False
        whole += self.kept
        self.kept.clear()
        while (end := whole.find(b"\r\n.\r\n", max(0, searched - 5))) < 0:
            if len(whole) > 2 * limits.RAW:  # every byte may be a stuffed dot's
                too_large = True
                del whole[:-5]
            searched = len(whole)
            await self._more()
            whole += self.kept
            self.kept.clear()
        self.kept += whole[end + 5 :]
        octets = bytes(whole[2 : end + 2]) if not too_large else b""
        octets = octets[1:] if octets.startswith(b"..") else octets
        octets = octets.replace(b"\r\n..", b"\r\n.")
        return None if too_large or len(octets) > limits.RAW else octets


def has_bare_end(raw: bytes) -> bool:
    """Whether a CR or LF stands alone: servers disagree about such lines, and mail is smuggled between them."""
    rest = raw.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


class _Dialog:
    """One connection."""

    def __init__(self, wire: _Wire, writer: asyncio.StreamWriter, door: Door) -> None:
        self._wire = wire
        self._writer = writer
        self._door = door
        self._greeted = False
        self._bad = 0
        self._forget()

    def _forget(self) -> None:
        self._sender: Address | Literal["none", "null"] = "none"
        self._recipients = list[Address]()

    async def run(self) -> None:
        self._writer.write(b"220 pli LMTP\r\n")
        while self._bad < BAD:
            await self._writer.drain()
            line = await self._wire.line()
            if line is None:
                self._writer.write(_LINE_END.line())
                return
            verb, _, rest = line.decode("ascii", "replace").partition(" ")
            if verb.upper() == "QUIT":
                self._writer.write(b"221 2.0.0 bye\r\n")
                return
            await self._obey(verb.upper(), rest)
        self._writer.write(_TIRED.line())

    async def _obey(self, verb: str, rest: str) -> None:
        if verb == "LHLO" and rest:
            self._greeted = True
            self._forget()
            self._writer.write(HELLO)
        elif verb == "MAIL":
            self._say(self._mail(rest))
        elif verb == "RCPT":
            self._say(self._rcpt(rest))
        elif verb == "DATA" and not rest:
            await self._data()
        elif verb == "RSET":
            self._forget()
            self._say(DONE)
        elif verb == "NOOP":
            self._say(DONE)
        else:
            self._say(_UNKNOWN)

    def _say(self, reply: Reply) -> None:
        self._bad += reply.code in {500, 501, 503}
        self._writer.write(reply.line())

    def _mail(self, rest: str) -> Reply:
        if not self._greeted or self._sender != "none":
            return _ORDER
        found = _MAIL.fullmatch(rest)
        if not found:
            return _ADDRESS
        size = re.search(r" SIZE=(\d{1,12})\b", found[2], re.IGNORECASE)
        if size and int(size[1]) > limits.RAW:
            return _LARGE
        try:
            self._sender = read_address(found[1]) if found[1] else "null"
        except AddressError:
            return _ADDRESS
        return DONE

    def _rcpt(self, rest: str) -> Reply:
        if self._sender == "none":
            return _ORDER
        if len(self._recipients) >= RECIPIENTS:
            return _MANY
        found = _RCPT.fullmatch(rest)
        try:
            address = read_address(found[1] if found else "")
        except AddressError:
            return _ADDRESS
        refusal = self._door.refuse_patient(address)
        if refusal is None:
            self._recipients.append(address)
        return refusal or DONE

    def _known_sender(self) -> Address | None:
        return self._sender if isinstance(self._sender, Address) else None

    async def _data(self) -> None:
        if not self._recipients:
            self._say(_ORDER)
            return
        self._writer.write(_GO_ON)
        await self._writer.drain()
        envelope = Envelope(self._known_sender(), tuple(self._recipients))
        try:
            async with asyncio.timeout(WHOLE):
                raw = await self._wire.body()
        except TimeoutError:
            self._writer.write(_LATE.line())
            raise _LostError from None
        self._forget()
        for reply in await self._judge(envelope, raw):
            self._writer.write(reply.line())

    async def _judge(self, envelope: Envelope, raw: bytes | None) -> list[Reply]:
        count = len(envelope.recipients)
        if raw is None:
            return [_LARGE] * count
        if has_bare_end(raw):
            return [_SMUGGLED] * count
        try:
            replies = await self._door.mail(envelope, raw)
        except Exception:  # noqa: BLE001  whatever failed behind the door, the mail server keeps the mail
            return [_FAULT] * count
        return replies if len(replies) == count else [_FAULT] * count


@dataclass(slots=True)
class Lmtp:
    """The server; give ``serve`` to ``asyncio.start_server``."""

    door: Door
    clients: int = CLIENTS
    _open: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk with one client until it leaves."""
        self._open += 1
        try:
            if self._open > self.clients:
                writer.write(_BUSY.line())
            else:
                await _Dialog(_Wire(reader), writer, self.door).run()
        except (_LostError, ConnectionError):
            pass
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await writer.wait_closed()
