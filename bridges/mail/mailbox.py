"""One mailbox, for ever: connected, taken, marked, waited for; connected again. Source: docs/spec/mail.md 12."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from bridges.kit.errors import KitError
from bridges.mail import imap as imap_module
from bridges.mail.config import Box, Server
from bridges.mail.credentials import Secret, context_of, read_credentials
from bridges.mail.discovery import TRY, DiscoveryError, find
from bridges.mail.imap import Imap, ImapError
from bridges.mail.intake import Folder
from bridges.mail.life import AFTER_REFUSAL, Condition, Lives
from bridges.mail.revocation import RevocationError
from bridges.mail.tokens import CredentialsError
from bridges.mail.ways import Ways

HINT: Final = 120.0  # seconds of one IDLE at most; then the server must answer (docs/spec/mail.md 12)
ANSWER: Final = 30.0  # seconds for a NOOP


class EntryError(Exception):
    """A mailbox that could not be entered. ``lasting``: trying again soon does not help."""

    def __init__(self, detail: str, *, lasting: bool) -> None:
        super().__init__(detail)
        self.lasting = lasting


@asynccontextmanager
async def entered(box: Box, ways: Ways) -> AsyncIterator[tuple[Imap, Server]]:
    """Give a mailbox, signed in; raises EntryError, ImapError (``lost``)."""
    assert box.imap is not None, "boxes without IMAP are not entered"
    try:
        servers = await find(box.imap, box.mailbox, "imap", ways.ask)
        context = context_of(servers[0])
    except DiscoveryError as error:
        raise EntryError(str(error), lasting=False) from None
    except KitError as error:
        raise _unreadable(error) from None
    connection, server = await _first_that_answers(servers, context)
    try:
        with _closed_doors():
            await ways.revocation.check(server.revocation, connection.tls)
            secret = await read_credentials(server.login, ways.tokens)
        await _sign_in(connection, server, secret, ways)
        yield connection, server
    finally:
        await connection.close()


@contextmanager
def _closed_doors() -> Iterator[None]:
    """Say by an EntryError why a box is not entered, or not stayed in."""
    try:
        yield
    except RevocationError as error:
        raise EntryError(error.code, lasting=error.code == "certificate_revoked") from None
    except CredentialsError as error:
        raise EntryError(str(error), lasting=error.refused) from None
    except KitError as error:
        raise _unreadable(error) from None


def _unreadable(error: KitError) -> EntryError:
    return EntryError(f"{error.code} {error.more.get('path', '')}", lasting=True)


async def _first_that_answers(servers: list[Server], context: ssl.SSLContext) -> tuple[Imap, Server]:
    """Connect to the first of several that answers as itself; raises the ImapError of the last."""
    for place, server in enumerate(servers, 1):
        try:
            async with asyncio.timeout(TRY if len(servers) > 1 else None):
                return await _connected(server, context), server
        except ImapError:
            if place == len(servers):
                raise
        except TimeoutError:
            if place == len(servers):
                raise ImapError("lost", "too slow") from None
    raise AssertionError("find gives one at least")


async def _connected(server: Server, context: ssl.SSLContext) -> Imap:
    where = imap_module.Box(server.host, server.port, server.security, server.folder)
    return await Imap.connect(where, context=context)


async def _sign_in(connection: Imap, server: Server, secret: Secret, ways: Ways) -> None:
    try:
        if secret.kind == "password":
            await connection.login(secret.user, secret.text)
        elif secret.kind == "token":
            await connection.login_with_token(secret.user, secret.text)
        else:
            await connection.login_with_certificate(secret.user)
    except ImapError as error:
        if error.code != "refused":
            raise
        if server.login.refresh:  # perhaps it was worth something a moment ago: a fresh one is tried soon
            ways.tokens.forget(server.login.refresh)
        raise EntryError("credentials_refused", lasting=server.login.refresh is None) from None


@dataclass(slots=True)
class Mailbox:
    """Takes the mail of one box until it is cancelled; what goes wrong here stops nobody else."""

    box: Box
    folder: Folder
    lives: Lives
    every: float  # seconds between two looks when nothing was announced
    took: Callable[[], None]
    ways: Ways
    _hints: bool = True

    async def run(self) -> None:
        """Stay connected; never returns by itself."""
        self.lives.is_("mailbox", self.box.name, "starting")
        while True:
            try:
                async with entered(self.box, self.ways) as (imap, server):
                    self.lives.is_("mailbox", self.box.name, "connected")
                    await self._stay(imap, server)
            except EntryError as error:
                await self._rest("refused" if error.lasting else "retrying", str(error))
            except ImapError as error:
                await self._rest("retrying", f"{error.code}: {error}")
            except Exception as error:  # noqa: BLE001  our own fault in one box must not end the others
                await self._rest("retrying", f"internal {type(error).__name__}")

    async def _rest(self, condition: Condition, reason: str) -> None:
        pause = AFTER_REFUSAL if condition == "refused" else None
        await asyncio.sleep(self.lives.fails("mailbox", self.box.name, condition, reason, pause=pause))

    async def _stay(self, imap: Imap, server: Server) -> None:
        while True:
            if await self.folder.take(imap, server.folder):
                self.took()
            await self.folder.mark(imap, server.folder)
            self.lives.is_("mailbox", self.box.name, "idle")
            await self._wait(imap)
            with _closed_doors():
                await self.ways.still_open(server, imap.tls)

    async def _wait(self, imap: Imap) -> None:
        """Wait for a hint, or for a while; either way the server has answered at the end."""
        seconds = min(self.every, HINT)
        if self._hints:
            try:
                await imap.idle(seconds)
            except ImapError as error:
                if error.code != "refused":
                    raise
                self._hints = False  # not offered here
            else:
                return
        await asyncio.sleep(seconds)
        await imap.check(ANSWER)
