"""Changing who is in a conversation. Source: docs/spec/protocol.md 6.3."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bridges.kit.conversations import Conversation, Conversations
from bridges.kit.device import Device, milliseconds
from bridges.kit.errors import RefusedError
from crypto import conversation as protocol
from crypto.conversation import NewEpoch
from crypto.epoch_record import Role

TRIES: Final = 4  # times that a change is rebuilt when somebody else was faster


@dataclass(slots=True)
class Membership:
    """Changes members for one device. Every change may be repeated: what holds already is not done again."""

    device: Device
    conversations: Conversations

    async def add(self, conversation: bytes, account: bytes, *, history: bool, owner: bool) -> int:
        """Let an account in, with the history or from now on; gives the epoch in which it is a member.

        Raises:
            RefusedError: ``not_found``, ``not_permitted``. UnreachableError. ProtocolError.

        """
        chain = await self.device.directory.refresh(account)
        role: Role = "member"
        if self.device.directory.certificate(account):
            role = "owner" if owner else "professional"

        def change(known: Conversation) -> NewEpoch | None:
            if account in known.opened.chain.members:
                return None
            seat = protocol.seat(chain, role, history="full" if history else "none")
            return protocol.add(self.device.own, known.opened, [seat], at=milliseconds())

        return await self._change(conversation, change)

    async def remove(self, conversation: bytes, account: bytes) -> int:
        """Take a member out: it reads nothing of what follows. Gives the epoch without it. Raises as ``add``."""

        def change(known: Conversation) -> NewEpoch | None:
            chain = known.opened.chain
            if account in chain.members:
                return protocol.remove(self.device.own, known.opened, [account], at=milliseconds())
            if any(account in record.members for record in chain.records):
                return None
            raise RefusedError("not_found", "not a member")

        return await self._change(conversation, change)

    async def _change(self, conversation: bytes, change: Callable[[Conversation], NewEpoch | None]) -> int:
        for _ in range(TRIES):
            known = await self.conversations.refresh_members(await self.conversations.sync(conversation))
            new = change(known)
            if new is None:
                return known.opened.chain.epoch
            try:
                epoch = await self.conversations.commit(conversation, new, [])
            except RefusedError as refused:
                if refused.code != "stale_epoch":
                    raise
            else:
                await self.conversations.sync(conversation)
                return epoch
        raise RefusedError("stale_epoch")
