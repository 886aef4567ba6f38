"""Accounts as this device knows them: chains that only grow, and who is verified. Source: docs/spec/protocol.md 5."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from bridges.kit.api import Api
from bridges.kit.store import Store
from crypto import certificate
from crypto.account_chain import AccountChain
from crypto.certificate import Certificate
from crypto.errors import ProtocolError


@dataclass(slots=True)
class Directory:
    """The pinned account chains of one home."""

    api: Api
    store: Store
    registry: bytes
    """Registry key of the server, pinned at first contact (32 bytes)."""
    _chains: dict[bytes, AccountChain] = field(default_factory=dict)
    _certificates: dict[tuple[bytes, bytes], Certificate | None] = field(default_factory=dict)
    """What was verified, by account and wire: asked again for every message shown."""

    def known(self, account: bytes) -> AccountChain | None:
        """Give the pinned chain, without asking the server."""
        if account not in self._chains and (links := self.store.links(account)):
            self._chains[account] = AccountChain.replay(links)
        return self._chains.get(account)

    def forget(self) -> None:
        """Read from the memory again what another process of this home may have pinned meanwhile."""
        self._chains.clear()

    async def chain(self, account: bytes, *, position: int = 0) -> AccountChain:
        """Give a chain that reaches at least ``position`` if the server has one.

        Raises:
            ProtocolError: a link is refused; alarms ``rollback`` and ``fork``.

        """
        chain = self.known(account)
        return chain if chain and chain.position >= position else await self.refresh(account)

    async def refresh(self, account: bytes) -> AccountChain:
        """Fetch what a chain has grown by, check it and pin it."""
        while True:
            known = self.known(account)
            part = await self.api.chain(account, None if known is None else known.position)
            chain = self.learn(account, part.links)
            if chain.position >= part.position or not part.links:
                _compare(chain, part.position, part.head)
                return chain

    async def refresh_all(self, accounts: Iterable[bytes]) -> None:
        """Refresh several chains at once."""
        await asyncio.gather(*(self.refresh(each) for each in accounts))

    def learn(self, account: bytes, links: Iterable[bytes]) -> AccountChain:
        """Accept and pin links that extend what is known; raises ProtocolError."""
        added = list(links)
        known = self.known(account)
        if known is None:
            chain = AccountChain.replay(added)
            if chain.id != account:
                raise ProtocolError("wrong_account")
        else:
            chain = _extend(known, added)
        if added:
            self.store.pin_links(account, chain.position + 1 - len(added), added)
            self._chains[account] = chain
        return chain

    def adopt(self, chain: AccountChain, links: Iterable[bytes]) -> None:
        """Pin the own chain after a growth that the server has taken; ``links`` are its last ones."""
        added = list(links)
        self.store.pin_links(chain.id, chain.position + 1 - len(added), added)
        self._chains[chain.id] = chain

    def merge(self, account: bytes, links: list[bytes]) -> AccountChain:
        """Take a whole chain, genesis first, that came along with something else; pin what is new of it."""
        known = self.known(account)
        if known is None:
            return self.learn(account, links)
        longer = known.reconcile(AccountChain.replay(links))
        if longer.position > known.position:
            self.learn(account, links[known.position + 1 :])
        return longer

    def certificate(self, account: bytes) -> Certificate | None:
        """Give what the registry key vouches for, or nothing: only this may draw a "verified" mark."""
        chain = self.known(account)
        if chain is None or chain.certificate is None:
            return None
        key = (account, chain.certificate)
        if key not in self._certificates:
            self._certificates[key] = certified(chain, self.registry)
        return self._certificates[key]


def certified(chain: AccountChain | None, registry: bytes) -> Certificate | None:
    """Give the certificate that a chain carries if it counts under this registry key."""
    if chain is None or chain.certificate is None:
        return None
    try:
        return certificate.verify(chain.certificate, registry=registry, account=chain.id)
    except ProtocolError:
        return None  # a self-made certificate is no reason to stop reading: it just does not count


def _extend(known: AccountChain, added: list[bytes]) -> AccountChain:
    try:
        return known.extend(added)
    except ProtocolError as refused:
        if refused.code == "not_next":  # asked for what follows our head, got what follows another
            raise ProtocolError("fork", "account chain") from refused
        raise


def _compare(chain: AccountChain, position: int, head: bytes) -> None:
    if position < chain.position:
        raise ProtocolError("rollback", "account chain")
    if head != chain.head:
        raise ProtocolError("fork", "account chain")
