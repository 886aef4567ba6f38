"""What every way into a mailbox and out of it shares. Source: docs/spec/mail.md 13."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridges.mail.config import Server
from bridges.mail.discovery import Resolve, resolve
from bridges.mail.revocation import Revocation
from bridges.mail.tokens import Tokens

REVOKED: Final = "revoked"  # folder beside the state: the last good lists of revoked certificates


@dataclass(frozen=True, slots=True)
class Ways:
    """One for each process."""

    ask: Resolve = resolve  # answers for host names
    tokens: Tokens = field(default_factory=Tokens)
    revocation: Revocation = field(default_factory=Revocation)

    async def still_open(self, server: Server, tls: ssl.SSLObject | None) -> None:
        """Ask again what was asked at the door: a connection outlives a token and a certificate.

        Raises:
            RevocationError, CredentialsError. UsageError (``home_unsafe``, ``file_unreadable``).

        """
        await self.revocation.check(server.revocation, tls)
        if server.login.refresh:
            await self.tokens.fetch(server.login.refresh)


def beside(state: Path) -> Ways:
    """Give the ways of a bridge that keeps its state in a folder."""
    return Ways(revocation=Revocation(state / REVOKED))
