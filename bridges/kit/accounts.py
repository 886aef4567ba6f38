"""How a device gets its account: by activation, or with the recovery code. By invitation: ``claims``."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bridges.kit.api import Api
from bridges.kit.beginning import Beginning, Filling
from bridges.kit.device import connected, device_holder, growth_body, keep_secrets, milliseconds, pin_server
from bridges.kit.directory import Directory
from bridges.kit.errors import UsageError
from bridges.kit.session import Session
from bridges.kit.wire import Me, from_text, to_text
from crypto import account, recovery
from crypto.account import Growth, HolderBox, OwnAccount
from crypto.account_chain import AccountChain
from crypto.errors import ProtocolError
from crypto.holder import Holder
from crypto.recovery import RecoveryCode

TOKEN: Final = 32  # bytes of an activation token


@dataclass(frozen=True, slots=True)
class Created:
    """A new account. The recovery code is a secret: show it once, never log it."""

    account: bytes
    recovery_code: str


def activation_token(link: str) -> bytes:
    """Read the token at the end of an activation link (or the bare token); raises UsageError (``bad_link``)."""
    parts = urlsplit(link.strip())
    text = (parts.fragment or parts.path).rstrip("/").replace("/", ".").rsplit(".", 1)[-1]
    try:
        token = from_text(text)
    except ValueError:
        token = b""
    if len(token) != TOKEN:
        raise UsageError("bad_link", "no activation token in it")
    return token


async def create(begin: Beginning, link: str) -> Created:
    """Make a professional's account with an activation link.

    Raises:
        UsageError: ``bad_link``, ``home_taken``. RefusedError: ``activation_invalid``. UnreachableError.

    """
    token = to_text(activation_token(link))
    with begin.opened() as filling:
        async with connected(begin.server) as api:
            await pin_server(api, filling.store)
            pending = filling.pending(token)
            if pending is None:
                await api.activation(from_text(token))  # a dead link is refused before keys are made
                pending = filling.draft_account(token)
            made = await api.create_account({"activation": token, **pending["account"]})
        own = filling.own(pending)
        async with signed_in(begin.server, filling, own.holder) as (api, directory):
            filling.adopt(directory, pending)
            await _attest(api, directory, own, made.certificate)
        begin.home.settle(begin.server)
        return Created(own.id, pending["code"])


@asynccontextmanager
async def signed_in(server: str, filling: Filling, holder: Holder) -> AsyncIterator[tuple[Api, Directory]]:
    """Open a client with a session of ``holder``; the token stays in the key store."""
    session = Session(holder, filling.server_id)
    async with connected(server, session) as api:
        yield api, Directory(api, filling.store, filling.registry)
    filling.keys.secrets["token"] = session.token
    filling.keys.save()


async def _attest(api: Api, directory: Directory, own: OwnAccount, certificate: bytes) -> None:
    """Carry the certificate in the own chain, so that others can check it without believing the server."""
    chain = await directory.refresh(own.id)
    if chain.certificate == certificate:
        return
    growth = account.attest(OwnAccount(chain, own.holder, own.secrets), certificate, at=milliseconds())
    await api.extend_chain(growth_body(growth))
    directory.adopt(growth.own.chain, growth.links)


def read_recovery(code: str) -> RecoveryCode:
    """Read a recovery code; raises ProtocolError (``bad_code``, ``bad_check``) for a typing error."""
    return recovery.read(code)


async def recover(begin: Beginning, code: str) -> bytes:
    """Get an account back with its recovery code: this home's device becomes a new holder. Gives the account id.

    Raises:
        ProtocolError: ``bad_code``, ``bad_check`` before anything is sent; later the alarms of the own chain.
        RefusedError: ``signature_refused`` for a code of no account here. UsageError: ``home_taken``.

    """
    way_in = read_recovery(code).holder()
    with begin.opened() as filling:
        async with connected(begin.server) as api:
            await pin_server(api, filling.store)
        session = Session(way_in, filling.server_id)
        async with connected(begin.server, session) as api:
            directory = Directory(api, filling.store, filling.registry)
            own = await _open_with(api, directory, way_in)
            growth = _let_in(own, device_holder(filling.seed, begin.device_name))
            if growth is not None:
                await api.extend_chain(growth_body(growth))
                directory.adopt(growth.own.chain, growth.links)
                own = growth.own
        keep_secrets(filling.keys, own)
        filling.keys.save()
        begin.home.settle(begin.server)
        return own.id


async def _open_with(api: Api, directory: Directory, way_in: Holder) -> OwnAccount:
    me: Me = await api.me()
    chain: AccountChain = await directory.refresh(me.account)
    if (me.position, me.head) != (chain.position, chain.head):
        raise ProtocolError("fork", "own chain")
    newest = HolderBox(way_in.id, me.box_generation or 0, me.box or b"")
    return account.open_account(chain, way_in, newest, {each.generation: each.sealed for each in me.previous})


def _let_in(own: OwnAccount, device: Holder) -> Growth | None:
    """Add this device; ``None`` if an earlier try was taken although its answer was lost."""
    if device.id in own.chain.active_holders:
        return None
    at = milliseconds()
    if not own.chain.rotation_due:  # a revocation that was cut before its rotation: finish it first
        return account.add_holder(own, device, at=at)
    rotated = account.rotate(own, at=at)
    return rotated.then(account.add_holder(rotated.own, device, at=at))
