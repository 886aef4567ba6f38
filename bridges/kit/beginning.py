"""Filling a home: what creating, claiming and recovering an account have in common.

Everything that a lost answer must not lose (device seed, user secret, recovery code, the request itself) is in the
sealed key store before the first request leaves: repeating the command after a cut continues it.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bridges.kit.device import boxes_body, device_holder, keep_secrets, milliseconds, own_of
from bridges.kit.directory import Directory
from bridges.kit.errors import UsageError
from bridges.kit.home import Home
from bridges.kit.keystore import SEALED, Keystore
from bridges.kit.store import Store
from bridges.kit.wire import from_text, to_text
from crypto import account
from crypto.account import OwnAccount
from crypto.account_chain import AccountChain


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a command says when it fills a home.

    ``ask`` gives the passphrase for the key store, or ``None`` for a key file of mode 0600 beside it.
    """

    home: Home
    server: str
    device_name: str
    ask: Callable[[], str | None]

    @contextmanager
    def opened(self) -> Iterator["Filling"]:
        """Open the home, which must not hold an account yet (``home_taken``)."""
        if self.home.server is not None:
            raise UsageError("home_taken", path=str(self.home.folder))
        self.home.prepare()
        keys = self._keystore()
        store = self.home.store()
        try:
            yield Filling(keys, store)
        finally:
            store.close()

    def _keystore(self) -> Keystore:
        if (self.home.folder / SEALED).exists():  # a beginning that was cut
            return self.home.keystore(lambda: self.ask() or "")
        keys = Keystore.create(self.home.folder, self.ask())
        keys.put_bytes("seed", secrets.token_bytes(32))
        keys.secrets["device_name"] = self.device_name
        keys.save()
        return keys


@dataclass(frozen=True, slots=True)
class Filling:
    """A home on its way to an account."""

    keys: Keystore
    store: Store

    @property
    def seed(self) -> bytes:
        """The device's seed, 32 bytes."""
        seed = self.keys.get_bytes("seed")
        assert seed is not None, "Beginning.opened"
        return seed

    @property
    def server_id(self) -> bytes:
        """The pinned server id."""
        server_id = self.store.fact("server_id")
        assert server_id is not None, "pin_server"
        return server_id

    @property
    def registry(self) -> bytes:
        """The pinned registry key."""
        key = self.store.fact("registry_key")
        assert key is not None, "pin_server"
        return key

    def pending(self, purpose: str) -> dict[str, Any] | None:
        """Give what an earlier try for the same purpose (a token, an invitation) has left."""
        pending: dict[str, Any] | None = self.keys.secrets.get("pending")
        return pending if pending is not None and pending["purpose"] == purpose else None

    def keep(self, pending: dict[str, Any]) -> None:
        """Keep a draft, durable before return."""
        self.keys.secrets["pending"] = pending
        self.keys.save()

    def draft_account(self, purpose: str) -> dict[str, Any]:
        """Make an account at this home's device: ``chain`` and ``boxes`` as the server takes them, and the ``code``."""
        new = account.create(device_holder(self.seed, self.keys.secrets["device_name"]), at=milliseconds())
        keep_secrets(self.keys, new.own)
        body = {"chain": [to_text(each) for each in new.growth.links], "boxes": boxes_body(new.growth)}
        pending = {"purpose": purpose, "account": body, "code": new.recovery_code.text()}
        self.keep(pending)
        return pending

    def own(self, pending: dict[str, Any]) -> OwnAccount:
        """Put the drafted account together again."""
        return own_of(self.keys, AccountChain.replay(from_text(each) for each in pending["account"]["chain"]))

    def adopt(self, directory: Directory, pending: dict[str, Any]) -> None:
        """Pin the drafted account's chain."""
        links = [from_text(each) for each in pending["account"]["chain"]]
        directory.merge(self.own(pending).id, links)
