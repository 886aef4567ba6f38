"""Following the account's feed: what arrived is stored, then acknowledged. Source: docs/spec/api.md 8."""

from dataclasses import dataclass
from typing import Final

from bridges.kit.conversations import Conversations
from bridges.kit.device import Device
from bridges.kit.errors import RefusedError
from bridges.kit.wire import FeedEntry, to_text
from bridges.kit.words import say
from crypto.errors import ProtocolError

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

        A conversation that fails a check is told and left alone; nothing is acknowledged then, so that every command
        sees it again. Reading it, or writing there, raises the alarm.

        Raises:
            UnreachableError.

        """
        entries, position, anew = await self._news()
        named = (bytes(entry.conversation) for entry in entries)
        conversations = dict.fromkeys([*(await self._all() if anew else ()), *named])
        sound = [await self._sync(each) for each in conversations]
        if position > self.position and all(sound):
            await self.device.api.acknowledge(position)
            self.device.store.learn(CURSOR, str(position).encode())
        return entries

    async def _news(self) -> tuple[list[FeedEntry], int, bool]:
        """Fetch what follows; tells the new position, and whether the feed no longer has all that came between."""
        entries: list[FeedEntry] = []
        position, anew = self.position, False
        while (page := await self.device.api.feed(position)).events:
            anew = anew or max(page.first, page.events[0].position) > position + 1
            entries += page.events
            position = page.events[-1].position
        return entries, position, anew

    async def _all(self) -> list[bytes]:
        return [bytes(each.conversation) for each in await self.device.api.conversations()]

    async def _sync(self, conversation: bytes) -> bool:
        try:
            await self.conversations.sync(conversation)
        except RefusedError as refused:
            if refused.code != "not_found":  # we are no member any more: nothing to fetch
                raise
        except ProtocolError as failed:
            which = to_text(conversation)
            self.device.tell(say(f"Alerte ({failed.code}) dans {which}", f"Alarm ({failed.code}) in {which}"))
            return False
        return True
