"""An agenda that is a page where people book by hand. Source: docs/spec/agenda-partners.md 7."""

from collections.abc import Sequence
from secrets import token_urlsafe
from typing import Final

from typing_extensions import override
from yarl import URL

from bridges.agenda.links.availability import Reader
from bridges.agenda.links.platforms import label, page
from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import Ability, Capabilities, Changes, Link, Mode, Slot, Window
from bridges.agenda.push.arrival import Arrival
from bridges.agenda.push.inbox import Inbox

LEAVES: Final = "leaves_encryption"  # the app says so before it opens the page


class LinkProvider(PartialProvider):
    """A booking page, with what is known of it."""

    def __init__(
        self,
        address: str,
        *,
        inbox: Inbox | None = None,
        source: str = "",
        reader: Reader | None = None,
        parameter: str = "",
    ) -> None:
        """Raises ValueError for what is no address of a page.

        Args:
            address: of the page, configured by the practice.
            inbox: where the partner's events arrive, if they do.
            source: the partner's name in the inbox.
            reader: its free times, if the practice has a right to read them.
            parameter: of the address, under which the partner takes a token and gives it back with its events.

        """
        self._page = page(address)
        self._inbox, self._source, self._reader, self._parameter = inbox, source, reader, parameter
        abilities = {Ability.LINK}
        if inbox is not None:
            abilities.add(Ability.CHANGES)
        if reader is not None:
            abilities.add(Ability.FIND)
        self._capabilities = Capabilities(adapter="link", abilities=frozenset(abilities))

    @override
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @override
    async def link(self, slot: Slot | None = None) -> Link:
        """Give the page as it was configured; all that may be added is a token drawn for this one link."""
        token = {self._parameter: token_urlsafe(16)} if self._parameter else {}
        return Link(url=str(self._page.update_query(token)), label=label(self._page), warnings=(LEAVES,))

    def told(self, reference: str) -> Arrival | None:
        """Give the last word about an appointment of ``changes``; None for one that is not known."""
        known = self._inbox.get(reference) if self._inbox is not None else None
        return known.arrival if known else None

    def names(self, address: str) -> bool:
        """Say whether an address is this page, whatever token it carries."""
        try:
            found = URL(address)
        except ValueError:
            return False
        return (found.scheme, found.host, found.raw_path) == (self._page.scheme, self._page.host, self._page.raw_path)

    def correlation(self, address: str) -> str:
        """Give the token that an address of this page carries, empty for none: what ``matching`` compares."""
        return URL(address).query.get(self._parameter, "") if self._parameter else ""

    @override
    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        if self._reader is None:
            return await super().find(window, motive=motive, mode=mode)
        return await self._reader.find(window, motive=motive, mode=mode)

    @override
    async def changes(self, cursor: str = "") -> Changes:
        if self._inbox is None:
            return await super().changes(cursor)
        return self._inbox.changes(self._source, cursor)
