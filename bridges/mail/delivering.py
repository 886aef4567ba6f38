"""Mail that leaves: by submission, or put into the mailbox itself. Source: docs/spec/mail.md 15."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bridges.kit.errors import KitError
from bridges.mail.causes import words
from bridges.mail.config import Box, Server
from bridges.mail.credentials import context_of, read_credentials
from bridges.mail.discovery import TRY, DiscoveryError, find
from bridges.mail.imap import ImapError
from bridges.mail.life import Condition, Lives
from bridges.mail.mailbox import EntryError, entered
from bridges.mail.outgoing import Composed, Leased, Outgoing
from bridges.mail.reports import cause_of
from bridges.mail.revocation import RevocationError
from bridges.mail.submission import RefusedError, Relay, Sent, SmtpSubmission, Submission
from bridges.mail.tokens import CredentialsError
from bridges.mail.ways import Ways

_REST: Final = 5.0  # seconds between two looks at the queue when nobody said that it grew


@dataclass(slots=True)
class Submitting:
    """Hands mails to the submission server of a box; where that is, and its secret, are asked for when needed."""

    box: Box
    ways: Ways
    _way: SmtpSubmission | None = None

    async def send(self, mail: Composed) -> Sent:
        """Send one mail; raises RefusedError."""
        way = self._way or await self._open()
        try:
            sent = await way.send(mail)
        except RefusedError as refused:
            self._way = None  # the next try reads server and secret again
            await way.close()
            self._forget(refused)
            raise
        self._way = way
        return sent

    async def close(self) -> None:
        """Leave; never fails."""
        way, self._way = self._way, None
        if way is not None:
            await way.close()

    def _forget(self, refused: RefusedError) -> None:
        """Show a token that was refused no more."""
        login = self.box.smtp.login if self.box.smtp else None
        if login is not None and login.refresh and refused.text.startswith("credentials_refused"):
            self.ways.tokens.forget(login.refresh)

    async def _open(self) -> SmtpSubmission:
        if self.box.smtp is None:
            raise RefusedError("temporary", 0, "no_way_in: smtp is not configured")
        return await _first_that_answers(self.box, self.box.smtp, self.ways)


@contextmanager
def _closed_doors() -> Iterator[None]:
    """Say by a RefusedError why nothing goes out here."""
    try:
        yield
    except RevocationError as error:
        lasting = error.code == "certificate_revoked"
        raise RefusedError("temporary", 0, error.code, lasting=lasting) from None
    except CredentialsError as error:
        raise RefusedError("temporary", 0, str(error), lasting=error.refused) from None
    except (DiscoveryError, KitError) as error:
        raise RefusedError("temporary", 0, f"no_way_in: {error}") from None


async def _first_that_answers(box: Box, smtp: Server, ways: Ways) -> SmtpSubmission:
    """Connect to the first of several submission servers that answers as itself; raises RefusedError."""
    with _closed_doors():
        servers = await find(smtp, box.mailbox, "smtp", ways.ask)
    for server in servers[:-1]:
        way = SmtpSubmission(await relay_of(box, server, ways))
        try:
            async with asyncio.timeout(TRY):
                await way.probe()
        except (RefusedError, TimeoutError) as error:
            await way.close()
            if isinstance(error, RefusedError) and error.code != 421 and not error.text.startswith("lost"):
                raise  # it answered: another one would be asked the same
        else:
            return way
    return SmtpSubmission(await relay_of(box, servers[-1], ways))


async def relay_of(box: Box, server: Server, ways: Ways) -> Relay:
    """Give a submission server with its secret; raises RefusedError."""
    with _closed_doors():
        secret = await read_credentials(server.login, ways.tokens)

    async def fresh() -> str:
        with _closed_doors():
            return (await read_credentials(server.login, ways.tokens)).text

    async def check(tls: ssl.SSLObject | None) -> None:
        with _closed_doors():
            await ways.still_open(server, tls)

    return Relay(
        host=server.host,
        port=server.port,
        security=server.security,
        context=context_of(server),
        user=secret.user,
        password=secret.text if secret.kind == "password" else None,
        token=fresh if secret.kind == "token" else None,
        name=box.mailbox.domain,
        check=check,
    )


async def probe(box: Box, ways: Ways) -> str:
    """Sign in at the submission server of a box, and no more; gives where it is. Raises RefusedError."""
    if box.smtp is None:
        raise RefusedError("temporary", 0, "no_way_in: smtp is not configured")
    way = await _first_that_answers(box, box.smtp, ways)
    try:
        await way.probe()
    finally:
        await way.close()
    return f"{way.relay.host}:{way.relay.port} {way.relay.security}"


@dataclass(frozen=True, slots=True)
class Appending:
    """Puts mails into the mailbox of the professional, for boxes whose operator sends nothing for us."""

    box: Box
    ways: Ways

    async def send(self, mail: Composed) -> Sent:
        """Append a mail, unless it is there: a try that was cut short may have been one that succeeded."""
        try:
            async with entered(self.box, self.ways) as (imap, server):
                await imap.select(server.folder)
                if not await imap.has(mail.message_id):
                    await imap.append(server.folder, mail.raw)
        except (EntryError, ImapError) as error:
            raise RefusedError("temporary", 0, f"lost: {error}") from None
        return Sent("appended", dsn=False)

    async def close(self) -> None:
        """Do nothing: no connection is kept."""


@dataclass(slots=True)
class Delivery:
    """Sends the mails of one box until it is cancelled."""

    box: Box
    outgoing: Outgoing
    way: Submission
    lives: Lives
    grew: asyncio.Event

    async def run(self) -> None:
        """Send what is due; never returns by itself."""
        self.outgoing.release(self.box.name)
        try:
            while True:
                self.grew.clear()
                for leased in self.outgoing.due(self.box.name):
                    await self._send(leased)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_REST):  # wait_for would lose a cancellation that comes with the event
                        await self.grew.wait()
        finally:
            await self.way.close()

    async def _send(self, leased: Leased) -> None:
        try:
            sent = await self.way.send(leased.mail)
        except RefusedError as refused:
            self.outgoing.failed(leased.id, permanent=refused.permanent, text=refused.text)
            if not refused.permanent:
                condition: Condition = "refused" if refused.lasting else "retrying"
                self.lives.fails("delivery", self.box.name, condition, refused.text[:200])
        except Exception as error:  # noqa: BLE001  one mail that breaks us must not stop the others
            self.outgoing.failed(leased.id, permanent=False, text=f"internal {type(error).__name__}")
            self.lives.fails("delivery", self.box.name, "retrying", f"internal {type(error).__name__}")
        else:
            write_down(self.outgoing, leased, sent)
            self.lives.is_("delivery", self.box.name, "idle")


def write_down(outgoing: Outgoing, leased: Leased, sent: Sent) -> None:
    """Write down a success; recipients that were refused make it a failure for them, in the words of who refused."""
    outgoing.sent(leased.id)
    for address, code, text in sent.refused:
        ours = text.partition(":")[0]
        said = ours if words(ours, "en") else f"{cause_of(text)}\n{code} {text}"
        outgoing.fates.note(leased.mail.message_id, address.identity, "failed", said)
        outgoing.report(leased.mail.message_id, "failed", said)
