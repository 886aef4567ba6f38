"""The agenda of a partner that only tells: it can be followed, and nothing can be asked of it."""

from typing_extensions import override

from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import Ability, Capabilities, Changes
from bridges.agenda.push.arrival import Arrival
from bridges.agenda.push.inbox import Inbox


class PushProvider(PartialProvider):
    """What one partner pushes, by webhook, MLLP or FHIR, as a provider of changes."""

    def __init__(self, inbox: Inbox, source: str, *, adapter: str = "push") -> None:
        self._inbox = inbox
        self._source = source
        self._capabilities = Capabilities(adapter=adapter, abilities=frozenset({Ability.CHANGES}))

    @override
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @override
    async def changes(self, cursor: str = "") -> Changes:
        return self._inbox.changes(self._source, cursor)

    def told(self, reference: str) -> Arrival | None:
        """Give the last word about an appointment of ``changes``; None for one that is not known."""
        known = self._inbox.get(reference)
        return known.arrival if known else None
