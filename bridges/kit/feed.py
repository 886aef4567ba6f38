"""Following the account's feed: what arrived is stored, then acknowledged. Source: docs/spec/api.md 8."""

from dataclasses import dataclass
from typing import Final

from bridges.kit.conversations import Conversations
from bridges.kit.device import Device
from bridges.kit.errors import RefusedError
from bridges.kit.wire import FeedEntry

CURSOR: Final = "feed_position"


@dataclass(slots=True)
class Feed:
    """The feed of one device."""

    device: Device
    conversations: Conversations

    @property
    def position(self) -> int:
        """Everything up to here is on this device."""
        return int(self.device.store.fact(CURSOR) or 0)

    async def drain(self) -> list[FeedEntry]:
        """Fetch all that has arrived, bring its conversations up to date, acknowledge; gives the new entries.

        Raises:
            UnreachableError, ProtocolError: then nothing is acknowledged, and the next call sees it again.

        """
        entries: list[FeedEntry] = []
        position = self.position
        while True:
            page = await self.device.api.feed(position)
            if not page.events:
                break
            entries += page.events
            position = page.events[-1].position
        for conversation in dict.fromkeys(bytes(entry.conversation) for entry in entries):
            await self._sync(conversation)
        if position > self.position:
            await self.device.api.acknowledge(position)
            self.device.store.learn(CURSOR, str(position).encode())
        return entries

    async def _sync(self, conversation: bytes) -> None:
        try:
            await self.conversations.sync(conversation)
        except RefusedError as refused:
            if refused.code != "not_found":  # we are no member any more: nothing to fetch
                raise
