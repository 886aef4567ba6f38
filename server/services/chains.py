"""Account and conversation chains as the protocol library sees them, kept at hand between requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from crypto import epoch_record
from crypto.account_chain import AccountChain
from crypto.conversation_chain import ConversationChain
from crypto.errors import ProtocolError
from server.domain.errors import ProtocolRefusalError
from server.domain.ids import AccountId, ConversationId
from server.services.ports import Transaction

K = TypeVar("K")
V = TypeVar("V")

ALL: Final = 10_000  # links in a chain, at most (docs/spec/protocol.md 5.3)


@contextmanager
def checked() -> Iterator[None]:
    """Turn what the protocol library refuses into a refusal of the interface, with the same code.

    Raises:
        ProtocolRefusalError.

    """
    try:
        yield
    except ProtocolError as exc:
        raise ProtocolRefusalError(exc.code, exc.detail) from None


class Recent(Generic[K, V]):
    """The values used last, so many of them."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return a value that is still at hand."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Keep a value; the one that was not used for the longest time gives way."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._capacity:
            self._values.popitem(last=False)


@dataclass(slots=True)
class Chains:
    """Loads accepted chains. What is kept only ever grows, so it is never wrong, at most short: it is extended."""

    _accounts: Recent[AccountId, AccountChain] = field(default_factory=lambda: Recent(2_000))
    _conversations: Recent[ConversationId, ConversationChain] = field(default_factory=lambda: Recent(500))

    def account(self, view: Transaction, account: AccountId) -> AccountChain | None:
        """Return the newest chain of an account, or none."""
        known = self._accounts.get(account)
        links = view.accounts.links(account, known.position if known else -1, ALL)
        if known is None and not links:
            return None
        chain = known.extend(links) if known else AccountChain.replay(links)
        self._accounts.put(account, chain)
        return chain

    def accounts(self, view: Transaction, accounts: Iterable[bytes]) -> dict[bytes, AccountChain]:
        """Return the newest chains of those of ``accounts`` that exist."""
        found = {account: self.account(view, AccountId(account)) for account in accounts}
        return {account: chain for account, chain in found.items() if chain is not None}

    def conversation(self, view: Transaction, conversation: ConversationId) -> ConversationChain:
        """Return the chain of a conversation as it was accepted (not verified again)."""
        known = self._conversations.get(conversation) or ConversationChain()
        newer = view.conversations.records(conversation, known.epoch)
        if newer:
            known = ConversationChain((*known.records, *(epoch_record.read(record) for record in newer)))
            self._conversations.put(conversation, known)
        return known
