"""A device: an unlocked home, connected to its server."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bridges.kit.api import Api
from bridges.kit.directory import Directory
from bridges.kit.errors import RefusedError, UsageError
from bridges.kit.home import Home
from bridges.kit.keystore import Keystore
from bridges.kit.removal import is_removed
from bridges.kit.session import Session
from bridges.kit.store import Store
from bridges.kit.transport import Transport
from bridges.kit.wire import from_text, to_text
from crypto import account, holder
from crypto.account import Growth, HolderBox, OwnAccount
from crypto.account_chain import AccountChain
from crypto.attachment import MAX_SIZE
from crypto.errors import ProtocolError
from crypto.holder import Holder
from crypto.secret import Secret
from crypto.user_secret import UserSecret


def milliseconds() -> int:
    """Give the time of this machine, as the protocol counts it. It informs, it never orders."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Device:
    """Everything a command needs. ``own`` changes when the account grows."""

    home: Home
    keys: Keystore
    store: Store
    api: Api
    directory: Directory
    own: OwnAccount
    tell: Callable[[str], None]
    """Takes one line of progress for a person; never content."""

    @property
    def id(self) -> bytes:
        """The account id."""
        return self.own.id

    @property
    def attachment_limit(self) -> int:
        """The most bytes that a document may have here."""
        return int(self.store.fact("attachment_limit") or MAX_SIZE)

    def likeness(self, *said: str) -> bytes:
        """Give 16 bytes that tell a repeated command from another one, and nothing to who reads the disk."""
        seed = self.keys.get_bytes("seed") or b""
        return hashlib.blake2b(json.dumps(said).encode(), key=seed, digest_size=16, person=b"likeness").digest()

    async def catch_up_own(self) -> None:
        """Learn what other devices did to this account: links, and a newer user secret.

        Raises:
            ProtocolError: alarms ``rollback``, ``fork``, ``forged_box``.

        """
        me = await self.api.me()
        if me.account != self.id:
            raise ProtocolError("wrong_account")
        if me.position < self.own.chain.position:
            raise ProtocolError("rollback", "own chain")
        if me.head == self.own.chain.head:
            return
        chain = await self.directory.refresh(self.id)
        secrets = self.own.secrets
        if chain.generation not in secrets:
            newest = HolderBox(self.own.holder.id, me.box_generation or 0, me.box or b"")
            previous = {each.generation: bytes(each.sealed) for each in me.previous}
            secrets = account.open_account(chain, self.own.holder, newest, previous).secrets
        self.own = OwnAccount(chain, self.own.holder, secrets)
        keep_secrets(self.keys, self.own)
        self.keys.save()

    async def grow(self, growth: Growth) -> None:
        """Have the server take a growth of the own account, then adopt it; a lost answer is repeated safely."""
        await self.api.extend_chain(growth_body(growth))
        self.directory.adopt(growth.own.chain, growth.links)
        self.own = growth.own
        keep_secrets(self.keys, self.own)
        self.keys.save()


def growth_body(growth: Growth) -> dict[str, object]:
    """Write a growth as ``POST /v1/me/chain`` takes it."""
    return {
        "links": [to_text(each) for each in growth.links],
        "boxes": boxes_body(growth),
        "previous": [{"generation": p.generation, "sealed": to_text(p.sealed)} for p in growth.previous],
    }


def boxes_body(growth: Growth) -> list[dict[str, object]]:
    """Write the boxes of a growth."""
    return [{"holder": to_text(b.holder), "generation": b.generation, "box": to_text(b.box)} for b in growth.boxes]


def keep_secrets(keys: Keystore, own: OwnAccount) -> None:
    """Put the user secrets of all generations into the key store (``save`` is the caller's)."""
    keys.secrets["account"] = to_text(own.id)
    keys.secrets["user_secrets"] = {str(g): to_text(s.secret.reveal()) for g, s in own.secrets.items()}


def device_holder(seed: bytes, name: str) -> Holder:
    """Derive the device's holder from its seed of 32 bytes."""
    return holder.from_seed(Secret(seed), kind="device", name=name)


def own_of(keys: Keystore, chain: AccountChain) -> OwnAccount:
    """Put the own account together from its accepted chain and the key store; raises UsageError (``home_empty``)."""
    seed = keys.get_bytes("seed")
    if seed is None or "user_secrets" not in keys.secrets:
        raise UsageError("home_empty")
    secrets = {int(g): UserSecret(int(g), Secret(from_text(s))) for g, s in keys.secrets["user_secrets"].items()}
    return OwnAccount(chain, device_holder(seed, str(keys.secrets["device_name"])), secrets)


def load_own(keys: Keystore, directory: Directory) -> OwnAccount:
    """Load the own account with its pinned chain; raises UsageError (``home_empty``)."""
    account_id = keys.get_bytes("account")
    chain = directory.known(account_id) if account_id else None
    if chain is None:
        raise UsageError("home_empty")
    return own_of(keys, chain)


@asynccontextmanager
async def connected(server: str, session: Session | None = None) -> AsyncIterator[Api]:
    """Open a client for a server; with a session, its requests are authenticated."""
    transport = Transport(server.rstrip("/"))
    api = Api(transport)

    async def authorise(fresh: bool) -> str:  # noqa: FBT001  a callback's one argument
        assert session is not None
        return await session.bearer(api, fresh=fresh)

    if session is not None:
        transport.authorise = authorise
    async with transport:
        yield api


@asynccontextmanager
async def opened(
    home: Home, *, server: str | None, ask: Callable[[], str], tell: Callable[[str], None]
) -> AsyncIterator[Device]:
    """Unlock a home that has an account and connect it; the caller holds ``home.alone``.

    Raises:
        UsageError: ``home_empty``, ``home_unsafe``, ``wrong_passphrase``.

    """
    home.require()
    keys = home.keystore(ask)
    keys.secrets.pop("pending", None)  # the answer that it was kept for has been shown
    store = home.store()
    try:
        url = server or home.server
        assert url is not None, "home.require"
        server_id, registry = store.fact("server_id"), store.fact("registry_key")
        assert server_id is not None, "settled homes have pins"
        assert registry is not None, "settled homes have pins"
        seed, name = keys.get_bytes("seed") or b"", str(keys.secrets["device_name"])
        session = Session(device_holder(seed, name), server_id, keys.secrets.get("token"))
        async with connected(url, session) as api:
            directory = Directory(api, store, registry)
            device = Device(home, keys, store, api, directory, load_own(keys, directory), tell)
            try:
                yield device
            except RefusedError as refused:
                if refused.code != "signature_refused" or not await is_removed(api, device.own, server_id):
                    raise
                session.token = keys.secrets.get("token")  # nothing is written here any more
                store.close()
                home.erase()
                raise RefusedError("device_removed") from None
            finally:
                if session.token != keys.secrets.get("token"):
                    keys.secrets["token"] = session.token
                    keys.save()
    finally:
        store.close()


async def pin_server(api: Api, store: Store) -> None:
    """Remember the server at first contact; a registry key or server id that changes later is ``fork``."""
    info = await api.server()
    for name, value in (("server_id", info.id), ("registry_key", info.registry_key)):
        known = store.fact(name)
        if known is not None and known != value:
            raise ProtocolError("fork", "the server is not the one this home knows")
        store.learn(name, value)
    store.learn("code_salt", info.code_salt)
    store.learn("attachment_limit", str(info.limits.attachment).encode())
