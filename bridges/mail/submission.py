"""Sending by SMTP: private, one transaction a mail, and a plain word about how it ended. Source: docs/spec/mail.md 19.

aiosmtplib keeps the line; the envelope's commands are ours, from addresses of our grammar alone.
"""

import asyncio
import base64
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPReadTimeoutError,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from bridges.mail.address import Address, AddressError, read_address
from bridges.mail.imap import Security, bearer
from bridges.mail.outgoing import Composed
from bridges.mail.tls import why
from bridges.mail.words import one_line

TIMEOUT: Final = 60.0  # seconds for the answer to one command
WHOLE: Final = 240.0  # seconds for one mail with everything around it; under the lease of the outbox
IDLE: Final = 30.0  # seconds after which an open line is not trusted any more
MAX_RECIPIENTS: Final = 100
_LOCAL: Final = {"127.0.0.1", "::1", "localhost"}
_SAID: Final = 500  # characters kept of what a server says

Ending = Literal["temporary", "permanent", "unknown"]


class RefusedError(Exception):
    """A mail that did not go.

    ``ending``: ``temporary`` (try again), ``permanent`` (this mail never goes), ``unknown`` (the line broke after the
    mail was handed over: send the same bytes with the same Message-ID again). ``code``: of SMTP, or 0 for our own
    refusals, which begin ``text`` with a stable word (``lost``, ``not_private``, ``bad_address``, ``no_recipient``,
    ``too_large``, ``not_ascii``, ``no_way_in``, ``credentials_refused``). ``lasting``: not the mail is at fault, and
    trying again soon does not help.
    """

    def __init__(self, ending: Ending, code: int, text: str, *, lasting: bool = False) -> None:
        self.ending: Ending = ending
        self.code = code
        self.lasting = lasting
        self.text = one_line(text, most=_SAID)
        super().__init__(f"{code} {self.text}")

    @property
    def permanent(self) -> bool:
        """Whether this mail never goes."""
        return self.ending == "permanent"


@dataclass(frozen=True, slots=True)
class Sent:
    """The server has taken the mail, but for the recipients in ``refused`` (with code and text)."""

    text: str  # what it said, often with its own number for the mail
    dsn: bool  # whether it promised delivery reports
    refused: tuple[tuple[Address, int, str], ...] = ()


class Submission(Protocol):
    """A way out for mail."""

    async def send(self, mail: Composed) -> Sent:
        """Send one mail; raises RefusedError."""
        ...

    async def close(self) -> None:
        """Leave; never fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A submission server and how to enter it: by password, by a token, or by a client certificate in ``context``."""

    host: str
    port: int
    security: Security = "starttls"
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    user: str = ""
    password: str | None = None
    token: Callable[[], Awaitable[str]] | None = None  # gives a fresh access token (XOAUTH2); it is kept nowhere
    name: str = "localhost"  # said in EHLO: the domain of the mailbox
    check: Callable[[ssl.SSLObject | None], Awaitable[None]] | None = None
    """Asked before anything is shown to the server, and again before a kept line is used; raises RefusedError."""


@dataclass(slots=True)
class SmtpSubmission:
    """Sends over one connection, kept for several mails. Not for concurrent calls."""

    relay: Relay
    _line: SMTP | None = None
    _used: float = 0.0

    async def send(self, mail: Composed) -> Sent:
        """Send one mail; raises RefusedError."""
        _check(mail)
        try:
            async with asyncio.timeout(WHOLE):
                line = await self._connected()
                sent = await _transact(line, mail)
        except TimeoutError:
            self._drop()
            raise RefusedError("unknown", 0, "lost: too slow") from None
        except RefusedError as refused:
            if refused.code in {0, 421}:
                self._drop()
            raise
        except BaseException:  # cancelled half way: nobody knows what the line would say next
            self._drop()
            raise
        self._used = time.monotonic()
        return sent

    async def probe(self) -> None:
        """Connect and sign in, and no more; raises RefusedError."""
        try:
            async with asyncio.timeout(WHOLE):
                await self._connected()
        except TimeoutError:
            raise RefusedError("temporary", 0, "lost: too slow") from None

    async def close(self) -> None:
        """Leave; never fails."""
        if self._line is not None and self._line.is_connected:
            with contextlib.suppress(SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(5):
                    await self._line.quit()
        self._drop()

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            _hang_up(line)

    async def _connected(self) -> SMTP:
        line = self._line
        if line is not None and line.is_connected and time.monotonic() - self._used < IDLE:
            try:
                await _check_again(line, self.relay)
                await line.rset()
            except (SMTPException, OSError):
                pass
            else:
                return line
        self._drop()
        self._line = await _open(self.relay)
        return self._line


async def _check_again(line: SMTP, relay: Relay) -> None:
    if relay.check is not None:
        await relay.check(line.transport.get_extra_info("ssl_object") if line.transport else None)


def _hang_up(line: SMTP) -> None:
    """Cut a line at once: TLS would wait half a minute for the other side's goodbye."""
    transport = line.transport
    line.close()
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


async def _open(relay: Relay) -> SMTP:
    """Connect, make it private, sign in; raises RefusedError, never ``permanent``: it is not the mail's fault."""
    if relay.security == "none" and relay.host not in _LOCAL:
        raise RefusedError("temporary", 0, "not_private: bare text leaves this machine")
    relay.context.minimum_version = ssl.TLSVersion.TLSv1_2
    line = SMTP(
        hostname=relay.host,
        port=relay.port,
        local_hostname=relay.name,
        timeout=TIMEOUT,
        use_tls=relay.security == "tls",
        start_tls=False,
        tls_context=relay.context if relay.security == "tls" else None,
    )
    try:
        await line.connect()
        await _make_private(line, relay)
        await _check_again(line, relay)
        await _sign_in(line, relay)
    except SMTPAuthenticationError as error:
        _hang_up(line)
        said = f"credentials_refused: {error.message}"
        raise RefusedError("temporary", error.code, said, lasting=relay.token is None) from None
    except SMTPResponseException as error:
        _hang_up(line)
        raise RefusedError("temporary", error.code, error.message) from None
    except (SMTPException, OSError) as error:
        _hang_up(line)
        raise RefusedError("temporary", 0, f"lost: {why(error.__cause__ or error)}") from None
    except BaseException:
        _hang_up(line)
        raise
    return line


async def _make_private(line: SMTP, relay: Relay) -> None:
    await line.ehlo()
    if relay.security != "starttls":
        return
    if not line.supports_extension("starttls"):
        raise RefusedError("temporary", 0, "not_private: no STARTTLS")
    await line.starttls(tls_context=relay.context, server_hostname=relay.host)
    await line.ehlo()  # what was said before TLS counts for nothing


async def _sign_in(line: SMTP, relay: Relay) -> None:
    if relay.token is not None:
        if "oauthbearer" in _methods(line) and "xoauth2" not in _methods(line):
            await _bear(line, relay.user, await relay.token())
        else:
            _require(line, "xoauth2")
            await line.auth_xoauth2(relay.user, await relay.token())
    elif relay.password is not None:
        _require(line, "plain")
        await line.auth_plain(relay.user, relay.password)


async def _bear(line: SMTP, user: str, token: str) -> None:
    """Sign in by OAUTHBEARER (RFC 7628), where XOAUTH2 is not offered."""
    shown = base64.b64encode(bearer(user, token).encode())
    answer = await line.execute_command(b"AUTH", b"OAUTHBEARER", shown, timeout=TIMEOUT)
    if answer.code == 334:  # why not, as JSON; a kvsep asks for the end of it
        answer = await line.execute_command(b"AQ==", timeout=TIMEOUT)
    if answer.code != 235:
        raise SMTPAuthenticationError(answer.code, answer.message)


def _methods(line: SMTP) -> set[str]:
    return {each.lower() for each in line.server_auth_methods}


def _require(line: SMTP, method: str) -> None:
    if method not in _methods(line):
        raise RefusedError("temporary", 0, f"no_way_in: {method} is not offered")


def _check(mail: Composed) -> None:
    """Refuse what must not go over any line. Addresses made by hand are read again."""
    if not mail.recipients:
        raise RefusedError("permanent", 0, "no_recipient")
    if len(mail.recipients) > MAX_RECIPIENTS:
        raise RefusedError("permanent", 0, "too_large: recipients")
    if not mail.raw.isascii():
        raise RefusedError("permanent", 0, "not_ascii")
    for each in (*mail.recipients, *((mail.sender,) if mail.sender else ())):
        try:
            read_address(str(each))
        except AddressError:
            raise RefusedError("permanent", 0, "bad_address") from None


async def _transact(line: SMTP, mail: Composed) -> Sent:
    size = line.esmtp_extensions.get("size", "")
    if size.isdigit() and 0 < int(size) < len(mail.raw):
        raise RefusedError("permanent", 552, f"too_large: the server takes {size} B")
    dsn = mail.asks_dsn and line.supports_extension("dsn")
    try:
        refused = await _say_envelope(line, mail, dsn=dsn)
    except (SMTPException, OSError) as error:
        raise RefusedError("temporary", 0, f"lost: {type(error).__name__}") from None
    return await _hand_over(line, mail, refused, dsn=dsn)


async def _say_envelope(line: SMTP, mail: Composed, *, dsn: bool) -> tuple[tuple[Address, int, str], ...]:
    words = [f"FROM:<{mail.sender or ''}>"]
    if line.supports_extension("size"):
        words.append(f"SIZE={len(mail.raw)}")
    if dsn:
        words += ["RET=HDRS", *([f"ENVID={xtext(mail.envelope)}"] if mail.envelope else [])]
    await _order(line, "MAIL", words)
    refused = []
    for each in mail.recipients:
        asked = ["NOTIFY=SUCCESS,FAILURE,DELAY", f"ORCPT=rfc822;{xtext(str(each))}"] if dsn else []
        try:
            await _order(line, "RCPT", [f"TO:<{each}>", *asked])
        except RefusedError as error:
            if len(mail.recipients) == 1 or error.ending != "permanent":
                raise
            refused.append((each, error.code, error.text))
    if len(refused) == len(mail.recipients):
        raise RefusedError("permanent", refused[0][1], refused[0][2])
    return tuple(refused)


async def _order(line: SMTP, verb: str, words: list[str]) -> None:
    answer = await line.execute_command(*(word.encode("ascii") for word in (verb, *words)), timeout=TIMEOUT)
    if answer.code not in {250, 251}:
        raise _refusal(answer.code, answer.message)


async def _hand_over(line: SMTP, mail: Composed, refused: tuple[tuple[Address, int, str], ...], *, dsn: bool) -> Sent:
    try:
        answer = await line.data(mail.raw, timeout=WHOLE)
    except SMTPDataError as error:
        raise _refusal(error.code, error.message) from None
    except (SMTPServerDisconnected, SMTPReadTimeoutError, OSError) as error:
        raise RefusedError("unknown", 0, f"lost: {type(error).__name__}") from None
    except SMTPException as error:  # an answer that is none
        raise RefusedError("unknown", 0, f"lost: {type(error).__name__}") from None
    return Sent(one_line(answer.message, most=_SAID), dsn, refused)


def _refusal(code: int, text: str) -> RefusedError:
    return RefusedError("permanent" if 500 <= code <= 599 else "temporary", code, text)


def xtext(text: str) -> str:
    """Write ASCII text as RFC 3461 4 asks: ``+``, ``=`` and all that is not printable as ``+XX``."""
    return "".join(sign if "!" <= sign <= "~" and sign not in "+=" else f"+{ord(sign):02X}" for sign in text)
