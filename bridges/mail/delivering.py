"""Mail that leaves: by submission, or put into the mailbox itself. Source: docs/spec/mail.md 15."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bridges.kit.errors import KitError
from bridges.mail.config import Box, Server
from bridges.mail.credentials import CredentialsError, context_of, read_credentials
from bridges.mail.discovery import DiscoveryError, Resolve, find, resolve
from bridges.mail.imap import ImapError
from bridges.mail.life import Lives
from bridges.mail.mailbox import EntryError, entered
from bridges.mail.outgoing import Composed, Leased, Outgoing
from bridges.mail.submission import RefusedError, Relay, Sent, SmtpSubmission, Submission

_PATIENCE: Final = 20.0  # seconds for a greeting
_REST: Final = 5.0  # seconds between two looks at the queue when nobody said that it grew


@dataclass(slots=True)
class Submitting:
    """Hands mails to the submission server of a box; where that is, and its secret, are asked for when needed."""

    box: Box
    ask: Resolve = resolve
    _way: SmtpSubmission | None = None

    async def send(self, mail: Composed) -> Sent:
        """Send one mail; raises RefusedError."""
        way = self._way or await self._open()
        try:
            sent = await way.send(mail)
        except RefusedError:
            self._way = None  # the next try reads server and secret again
            await way.close()
            raise
        self._way = way
        return sent

    async def _open(self) -> SmtpSubmission:
        if self.box.smtp is None:
            raise RefusedError("temporary", 0, "no_way_in: smtp is not configured")
        try:
            return SmtpSubmission(await relay_of(self.box, self.box.smtp, self.ask))
        except (DiscoveryError, CredentialsError, KitError) as error:
            raise RefusedError("temporary", 0, f"no_way_in: {error}") from None


async def relay_of(box: Box, smtp: Server, ask: Resolve) -> Relay:
    """Find a submission server and its secret; raises DiscoveryError, CredentialsError, UsageError."""
    server = await find(smtp, box.mailbox, "smtp", ask)
    secret = await read_credentials(server.login)

    async def fresh() -> str:
        return (await read_credentials(server.login)).text

    return Relay(
        host=server.host,
        port=server.port,
        security=server.security,
        context=context_of(server),
        user=secret.user,
        password=secret.text if secret.kind == "password" else None,
        token=fresh if secret.kind == "token" else None,
        name=box.mailbox.domain,
    )


async def probe(box: Box, ask: Resolve = resolve) -> str:
    """Look whether the submission server of a box answers; gives where it is. Raises RefusedError."""
    if box.smtp is None:
        raise RefusedError("temporary", 0, "no_way_in: smtp is not configured")
    try:
        relay = await relay_of(box, box.smtp, ask)
    except (DiscoveryError, CredentialsError, KitError) as error:
        raise RefusedError("temporary", 0, f"no_way_in: {error}") from None
    context = relay.context if relay.security == "tls" else None
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_connection(relay.host, relay.port, ssl=context)
            greeting = await reader.readline()
        writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise RefusedError("temporary", 0, f"lost: {type(error).__name__}") from None
    if not greeting.startswith(b"220"):
        raise RefusedError("temporary", 0, "lost: no greeting")
    return f"{relay.host}:{relay.port} {relay.security}"


@dataclass(frozen=True, slots=True)
class Appending:
    """Puts mails into the mailbox of the professional, for boxes whose operator sends nothing for us."""

    box: Box
    ask: Resolve = resolve

    async def send(self, mail: Composed) -> Sent:
        """Append a mail, unless it is there: a try that was cut short may have been one that succeeded."""
        try:
            async with entered(self.box, self.ask) as (imap, server):
                await imap.select(server.folder)
                if not await imap.has(mail.message_id):
                    await imap.append(server.folder, mail.raw)
        except (EntryError, ImapError) as error:
            raise RefusedError("temporary", 0, f"lost: {error}") from None
        return Sent("appended", dsn=False)


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
        while True:
            self.grew.clear()
            for leased in self.outgoing.due(self.box.name):
                await self._send(leased)
            try:
                await asyncio.wait_for(self.grew.wait(), _REST)
            except TimeoutError:
                continue

    async def _send(self, leased: Leased) -> None:
        try:
            sent = await self.way.send(leased.mail)
        except RefusedError as refused:
            self.outgoing.failed(leased.id, permanent=refused.permanent, text=refused.text)
            if not refused.permanent:
                self.lives.fails("delivery", self.box.name, "retrying", refused.text[:200])
        except Exception as error:  # noqa: BLE001  one mail that breaks us must not stop the others
            self.outgoing.failed(leased.id, permanent=False, text=f"internal {type(error).__name__}")
            self.lives.fails("delivery", self.box.name, "retrying", f"internal {type(error).__name__}")
        else:
            self._sent(leased, sent)
            self.lives.is_("delivery", self.box.name, "idle")

    def _sent(self, leased: Leased, sent: Sent) -> None:
        """Write down a success; recipients that were refused make it a failure, in the words of the server."""
        self.outgoing.sent(leased.id)
        if sent.refused:
            said = "\n".join(f"{address}: {code} {text}" for address, code, text in sent.refused)
            self.outgoing.report(leased.mail.message_id, "failed", f"other\n{said}")
