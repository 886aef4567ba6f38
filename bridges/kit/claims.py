"""Taking the place that an invitation keeps. Source: docs/spec/protocol.md 9."""

from dataclasses import dataclass
from typing import Any

from bridges.kit.api import Api
from bridges.kit.beginning import Beginning, Filling
from bridges.kit.conversations import boxes_body
from bridges.kit.device import Device, connected, milliseconds, pin_server
from bridges.kit.directory import Directory
from bridges.kit.errors import RefusedError, UsageError
from bridges.kit.store import Store
from bridges.kit.wire import InvitationView, to_text
from crypto import conversation as protocol
from crypto import invitation
from crypto.account import OwnAccount
from crypto.conversation import NewEpoch, Opened
from crypto.conversation_chain import ConversationChain
from crypto.errors import ProtocolError
from crypto.invitation import Carried, TypedCode

TRIES = 4  # times that a claim is rebuilt when members change under it


@dataclass(frozen=True, slots=True)
class Taken:
    """A place taken. The recovery code is new when the account is: a secret to show once."""

    account: bytes
    conversation: bytes
    recovery_code: str | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a person holds: a link, or the code typed from a letter. Typing errors are found here."""

    carried: Carried | None = None
    code: TypedCode | None = None

    @classmethod
    def read(cls, *, link: str | None, code: str | None) -> "Ticket":
        """Read one of the two; raises ProtocolError (``bad_code``, ``bad_check``), UsageError (``bad_link``)."""
        if link is None:
            return cls(code=invitation.read_code(code or ""))
        try:
            return cls(carried=invitation.read_link(link))
        except ProtocolError as error:
            raise UsageError("bad_link", error.detail) from error

    async def open(self, api: Api, store: Store) -> Carried:
        """Give the invitation; for a code, find its box on the server first."""
        if self.carried is not None:
            return self.carried
        assert self.code is not None, "Ticket.read"
        salt = store.fact("code_salt")
        assert salt is not None, "pin_server"
        stretched = self.code.stretch(salt)
        found = await api.invitation_by_code(stretched.locator)
        return stretched.unseal(found.id, found.code_box)


async def claim(begin: Beginning, ticket: Ticket) -> Taken:
    """Make an account and take the place; after a cut, the same command continues.

    Raises:
        RefusedError: ``invitation_used`` … UsageError: ``home_taken``. ProtocolError: ``wrong_inviter`` and others.

    """
    with begin.opened() as filling:
        async with connected(begin.server) as api:
            await pin_server(api, filling.store)
            carried = await ticket.open(api, filling.store)
            purpose = to_text(carried.invitation.id)
            pending = filling.pending(purpose)
            directory = Directory(api, filling.store, filling.registry)
            if pending is None:
                await _look(api, directory, carried)  # a dead or false invitation is refused before keys are made
                pending = filling.draft_account(purpose)
            conversation = await _Claim(api, directory, carried).take(filling, pending)
            filling.adopt(directory, pending)
        begin.home.settle(begin.server)
        return Taken(filling.own(pending).id, conversation, pending["code"])


async def claim_with(device: Device, ticket: Ticket) -> Taken:
    """Take the place with the account that this home has. Raises as ``claim``."""
    await pin_server(device.api, device.store)
    carried = await ticket.open(device.api, device.store)
    conversation = await _Claim(device.api, device.directory, carried).commit(device.own, None)
    return Taken(device.id, conversation, None)


@dataclass(frozen=True, slots=True)
class _Claim:
    api: Api
    directory: Directory
    carried: Carried

    async def take(self, filling: Filling, pending: dict[str, Any]) -> bytes:
        """Commit for a new account. The request is kept first: a lost answer is asked for with the same bytes."""
        if kept := pending.get("claim"):
            try:
                return (await self.api.claim(self.carried.invitation.id, kept, session=False)).conversation
            except RefusedError as refused:
                if refused.code != "stale_epoch":
                    raise

        def keep(body: dict[str, Any]) -> None:
            filling.keep({**pending, "claim": body})

        return await self.commit(filling.own(pending), pending["account"], keep)

    async def commit(self, own: OwnAccount, account: dict[str, Any] | None, keep: Any = lambda _: None) -> bytes:
        for _ in range(TRIES):
            opened = await _look(self.api, self.directory, self.carried)
            new = protocol.claim(own, opened, self.carried.invitation, at=milliseconds())
            body = self._body(new, account)
            keep(body)
            try:
                taken = await self.api.claim(self.carried.invitation.id, body, session=account is None)
            except RefusedError as refused:
                if refused.code != "stale_epoch":
                    raise
            else:
                return taken.conversation
        raise RefusedError("stale_epoch")

    def _body(self, new: NewEpoch, account: dict[str, Any] | None) -> dict[str, Any]:
        public = self.carried.invitation.public
        return {
            "account": account,
            "sign": to_text(public.sign),
            "enc": to_text(public.enc),
            "record": to_text(new.record),
            "boxes": boxes_body(new),
            "cookie": False,
        }


async def _look(api: Api, directory: Directory, carried: Carried) -> Opened:
    """Fetch what the invitation opens and check all of it, above all who invites (``wrong_inviter``)."""
    view: InvitationView = await api.invitation(carried.invitation.id)
    if view.registry_key != directory.registry:
        raise ProtocolError("fork", "registry key")
    accounts = {bytes(c.account): directory.merge(c.account, [bytes(link) for link in c.links]) for c in view.chains}
    chain = ConversationChain.replay(view.epochs, accounts)
    protocol.require_inviter(chain, carried.inviter)
    boxes = {each.epoch: bytes(each.box) for each in view.boxes}
    invited = carried.invitation
    return protocol.open_conversation(chain, accounts, invited.member, invited.opening_key, boxes)
