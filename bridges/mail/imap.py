"""A small IMAP4rev1 client: what taking mail needs, and no more. Source: docs/spec/mail.md 12.

Our own because the asyncio library for it is GPL-3.0 (ADR 0011). Nothing from outside is ever written into a command:
credentials go as base64, numbers as digits, names of folders are checked. Time is kept with ``asyncio.timeout``:
``wait_for`` of Python 3.11 loses a cancellation that comes together with an answer, and the bridge would not end.
"""

import asyncio
import base64
import contextlib
import re
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Self

from bridges.mail import limits
from bridges.mail.tls import why

Security = Literal["tls", "starttls", "none"]
MARK: Final = "$PliTaken"  # keyword set on a mail that we hold and have judged
TIMEOUT: Final = 60.0  # seconds for the answer to one command
BATCH: Final = 200  # numbers in one command
_LINE: Final = 64 * 1024  # bytes
_LINES: Final = 100_000  # untagged lines that one command may bring
_LITERAL: Final = re.compile(rb"\{(\d{1,10})\}\r\n\Z")
_FOLDER: Final = re.compile(r"[A-Za-z0-9 ._/-]{1,100}")
_OURS: Final = re.compile(r"<[A-Za-z0-9._-]{1,200}@[A-Za-z0-9.-]{1,200}>")
_NAMES: Final = 4096  # bytes of Message-ID and Date that are compared
_DATE_TIME: Final = re.compile(r"(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LOCAL: Final = {"127.0.0.1", "::1", "localhost"}


class ImapError(Exception):
    """``code``: ``lost`` (try again), ``refused`` (credentials, folder), ``bad_answer``, ``not_private``."""

    def __init__(self, code: Literal["lost", "refused", "bad_answer", "not_private"], detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Box:
    """Where a mailbox is."""

    host: str
    port: int
    security: Security = "tls"
    folder: str = "INBOX"


@dataclass(frozen=True, slots=True)
class _Line:
    """One answer: its text, and the literals in it."""

    text: bytes
    literals: list[bytes]


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of a mail without handing it over."""

    uid: int
    size: int  # bytes
    arrived: int  # INTERNALDATE in seconds since 1970; 0 when the server does not say
    names: bytes  # Message-ID and Date as they stand in its header, runs of white space as one


class Imap:
    """One connection, one folder. Any error ends it: connect again and compare by UID."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._count = 0
        self.next_uid = 0  # of the folder, as SELECT told; 0 when it did not

    @classmethod
    async def connect(cls, box: Box, *, context: ssl.SSLContext | None = None) -> Self:
        """Open a connection that nobody else reads; raises ImapError (``lost``, ``not_private``, ``bad_answer``)."""
        if box.security == "none" and box.host not in _LOCAL:
            raise ImapError("not_private")
        context = context or ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        opening = asyncio.open_connection(
            box.host, box.port, ssl=context if box.security == "tls" else None, limit=_LINE
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                made = cls(*await opening)
        except (OSError, TimeoutError) as error:
            raise ImapError("lost", why(error)) from None
        try:
            await made._greet()
            if box.security == "starttls":
                await made._start_tls(context, box.host)
        except BaseException:
            await made._hang_up()
            raise
        return made

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What stands between the server and us; nothing on a line of bare text."""
        found: ssl.SSLObject | None = self._writer.get_extra_info("ssl_object")
        return found

    async def close(self) -> None:
        """Leave; never fails."""
        with contextlib.suppress(ImapError, OSError, TimeoutError):
            async with asyncio.timeout(5):
                await self._command("LOGOUT")
        await self._hang_up()

    async def _hang_up(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                await self._writer.wait_closed()

    async def login(self, user: str, password: str) -> None:
        """Sign in with a password (SASL PLAIN); raises ImapError (``refused``)."""
        await self._authenticate("PLAIN", f"\0{user}\0{password}")

    async def login_with_token(self, user: str, token: str) -> None:
        """Sign in with an access token (XOAUTH2, or OAUTHBEARER of RFC 7628 where that alone is offered).

        The token is kept nowhere. Raises ImapError (``refused``).
        """
        offered = b" ".join(line.text.upper() for line in await self._command("CAPABILITY")).split()
        if b"AUTH=OAUTHBEARER" in offered and b"AUTH=XOAUTH2" not in offered:
            await self._authenticate("OAUTHBEARER", bearer(user, token))
        else:
            await self._authenticate("XOAUTH2", f"user={user}\x01auth=Bearer {token}\x01\x01")

    async def login_with_certificate(self, user: str) -> None:
        """Sign in as whom the TLS certificate names (SASL EXTERNAL); raises ImapError (``refused``)."""
        await self._authenticate("EXTERNAL", user)

    async def select(self, folder: str) -> int:
        """Open a folder and give its UIDVALIDITY; raises ImapError (``refused``)."""
        if not _FOLDER.fullmatch(folder):
            raise ImapError("refused", "folder")
        said = b"\n".join(line.text for line in await self._command(f'SELECT "{folder}"'))
        found = re.search(rb"\[UIDNEXT (\d{1,10})\]", said)
        self.next_uid = int(found[1]) if found else 0
        if (found := re.search(rb"\[UIDVALIDITY (\d{1,10})\]", said)) and int(found[1]):
            return int(found[1])
        raise ImapError("bad_answer", "UIDVALIDITY")

    async def uids_after(self, uid: int) -> list[int]:
        """Give the numbers of later mails, rising."""
        found = set[int]()
        for line in await self._command(f"UID SEARCH UID {int(uid) + 1}:*"):
            if line.text.upper().startswith(b"* SEARCH"):
                found |= {int(each) for each in line.text.split()[2:] if each.isdigit()}
        return sorted(each for each in found if each > uid)  # "n:*" names the last mail even when it is older

    async def look(self, uids: list[int]) -> list[Look]:
        """Ask about at most ``BATCH`` mails and give what is known of them, rising; what is gone is left out."""
        numbers = ",".join(str(int(uid)) for uid in uids)
        asked = "(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)])"
        wanted, found = set(uids), dict[int, Look]()
        for line in await self._command(f"UID FETCH {numbers} {asked}"):
            look = _look(line)
            if look is not None and look.uid in wanted:
                found[look.uid] = look
        return [found[uid] for uid in sorted(found)]

    async def fetch(self, uid: int) -> bytes | None:
        """Give a mail as it came, leaving its flags; None when it is gone."""
        for line in await self._command(f"UID FETCH {int(uid)} (UID BODY.PEEK[])"):
            if _is_about(line, uid) and line.literals and b"BODY[]" in line.text:
                return line.literals[-1]
        return None

    async def mark(self, uids: list[int]) -> None:
        """Set our keyword on mails; those that are gone do not matter."""
        for at in range(0, len(uids), BATCH):
            numbers = ",".join(str(int(uid)) for uid in uids[at : at + BATCH])
            await self._command(f"UID STORE {numbers} +FLAGS.SILENT ({MARK})")

    async def has(self, message_id: str) -> bool:
        """Whether a mail of ours is in the folder; raises ImapError (``refused``) for an id that is none of ours."""
        if not _OURS.fullmatch(message_id):
            raise ImapError("refused", "Message-ID")
        lines = await self._command(f'UID SEARCH HEADER Message-ID "{message_id}"')
        return any(line.text.upper().startswith(b"* SEARCH") and line.text.split()[2:] for line in lines)

    async def append(self, folder: str, raw: bytes) -> None:
        """Put a mail into a folder; raises ImapError (``refused``: no such folder, over quota)."""
        if not _FOLDER.fullmatch(folder):
            raise ImapError("refused", "folder")
        tag = await self._send(f'APPEND "{folder}" {{{len(raw)}}}')
        if not (await self._read()).text.startswith(b"+"):
            raise ImapError("refused", "APPEND")
        self._writer.write(raw + b"\r\n")
        await self._finish(tag)

    async def idle(self, seconds: float) -> bool:
        """Wait until the server says something, ``seconds`` at most; gives whether it did (RFC 2177).

        A hint and no more: servers forget to say. Raises ImapError (``refused`` where it is not offered).
        """
        tag = await self._send("IDLE")
        line = await self._read()
        while not line.text.startswith(b"+"):
            if line.text.startswith(tag + b" "):
                raise ImapError("refused", "IDLE")
            line = await self._read()
        said = await self._wait(seconds)
        self._writer.write(b"DONE\r\n")
        await self._finish(tag)
        return said

    async def _wait(self, seconds: float) -> bool:
        """Wait for a line; one that has begun stays in the buffer when time is over."""
        try:
            async with asyncio.timeout(seconds):
                line = await self._read_line()
        except TimeoutError:
            return False
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            raise ImapError("lost", type(error).__name__) from None
        if line.text.upper().startswith(b"* BYE"):
            raise ImapError("lost", "BYE")
        return True

    async def check(self, seconds: float) -> None:
        """Ask whether the server is there (NOOP); raises ImapError (``lost``) after some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._command("NOOP")
        except TimeoutError:
            raise ImapError("lost", "NOOP") from None

    async def _greet(self) -> None:
        if not (await self._read()).text.upper().startswith(b"* OK"):
            raise ImapError("bad_answer", "greeting")

    async def _start_tls(self, context: ssl.SSLContext, host: str) -> None:
        await self._command("STARTTLS")
        # Whatever came behind the answer was written by somebody on the way, to be read as if it were private.
        if getattr(self._reader, "_buffer", b""):
            raise ImapError("not_private", "words before TLS")
        try:
            await self._writer.start_tls(context, server_hostname=host)
        except OSError as error:
            raise ImapError("lost", why(error)) from None

    async def _authenticate(self, mechanism: str, words: str) -> None:
        tag = await self._send(f"AUTHENTICATE {mechanism}")
        if not (await self._read()).text.startswith(b"+"):
            raise ImapError("refused", mechanism)
        self._writer.write(base64.b64encode(words.encode()) + b"\r\n")
        await self._finish(tag, refusals=True)

    async def _command(self, command: str) -> list[_Line]:
        return await self._finish(await self._send(command))

    async def _send(self, command: str) -> bytes:
        self._count += 1
        tag = b"p%d" % self._count
        self._writer.write(tag + b" " + command.encode("ascii") + b"\r\n")
        return tag

    async def _finish(self, tag: bytes, *, refusals: bool = False) -> list[_Line]:
        """Read until the tagged answer; a "+" while signing in is the server's reason, answered by nothing."""
        lines = list[_Line]()
        while len(lines) < _LINES:
            line = await self._read()
            if line.text.startswith(tag + b" "):
                if line.text[len(tag) + 1 :].upper().startswith(b"OK"):
                    return lines
                raise ImapError("refused", "NO or BAD")
            if refusals and line.text.startswith(b"+"):
                self._writer.write(b"\r\n")
            elif line.text.upper().startswith(b"* BYE"):
                raise ImapError("lost", "BYE")
            lines.append(line)
        raise ImapError("bad_answer", "too many lines")

    async def _read(self) -> _Line:
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._read_line()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise ImapError("lost", why(error)) from None
        except ValueError:
            raise ImapError("bad_answer", "line too long") from None

    async def _read_line(self) -> _Line:
        text, literals = b"", list[bytes]()
        while True:
            piece = await self._reader.readline()
            if not piece.endswith(b"\n"):
                raise ImapError("lost", "closed")
            literal = _LITERAL.search(piece)
            if not literal:
                return _Line(text + piece.rstrip(b"\r\n"), literals)
            size = int(literal[1])
            if size > limits.RAW or len(literals) > 20:
                raise ImapError("bad_answer", "literal too large")
            literals.append(await self._reader.readexactly(size))
            text += piece[: literal.start()]


def bearer(user: str, token: str) -> str:
    """Write what OAUTHBEARER shows (RFC 7628 3.1)."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01auth=Bearer {token}\x01\x01"


def _look(line: _Line) -> Look | None:
    if b" FETCH (" not in line.text.upper():
        return None
    uid, size = re.search(rb"\bUID (\d{1,10})\b", line.text), re.search(rb"RFC822\.SIZE (\d{1,12})", line.text)
    if uid is None or size is None:
        return None
    when = re.search(rb'INTERNALDATE "([^"]{1,40})"', line.text)
    names = b" ".join(b" ".join(line.literals).split())[:_NAMES]
    return Look(int(uid[1]), int(size[1]), _moment(when[1].decode("ascii", "replace")) if when else 0, names)


def _moment(text: str) -> int:
    """Read a date-time of RFC 3501 9: ``17-Jul-1996 02:44:25 -0700``; 0 for what is none."""
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None or found[2].lower() not in _MONTHS:
        return 0
    day, _, year, hour, minute, second, sign, east, minutes = found.groups()
    offset = timedelta(hours=int(east), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(int(year), _MONTHS.index(found[2].lower()) + 1, int(day), int(hour), int(minute), int(second))  # noqa: DTZ001
        return int((local - offset - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001
    except (ValueError, OverflowError):
        return 0


def _is_about(line: _Line, uid: int) -> bool:
    return bool(re.search(rb"\bUID %d\b" % uid, line.text)) and b" FETCH (" in line.text.upper()
