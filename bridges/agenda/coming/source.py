"""A partner that tells of its appointments, and what its word means here. Source: docs/spec/agenda-partners.md 12."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import msgspec

from bridges.agenda.calendar.reading import Reading
from bridges.agenda.config import Config, Partner
from bridges.agenda.desk import Desk
from bridges.agenda.imip.adapter import ImipProvider
from bridges.agenda.imip.intake import SOURCE
from bridges.agenda.links.adapter import LinkProvider
from bridges.agenda.partners import ImipSettings, LinkSettings, PushSettings, open_imip, open_link, open_push
from bridges.agenda.provider import Changes, Provider, Window
from bridges.agenda.push.adapter import PushProvider
from bridges.agenda.push.arrival import Arrival, concerns
from bridges.agenda.push.inbox import Inbox
from bridges.kit.errors import UsageError

TELLERS: Final = (ImipProvider, LinkProvider, PushProvider)


class Teller(Protocol):
    """What a source is asked."""

    async def changes(self, cursor: str = "") -> Changes:
        """Say what changed since a cursor; see ``Provider.changes``."""
        ...

    def told(self, reference: str) -> Arrival | None:
        """Give the last word about one appointment."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One partner."""

    name: str  # as the practice calls it
    provider: Teller
    write: bool = False  # whether its appointments are copied into the practice's calendar
    practitioner: str = ""  # whose appointments count; a partner may tell of several people's

    def told(self, reference: str) -> Arrival | None:
        """Give the last word about an appointment of this practitioner."""
        told = self.provider.told(reference)
        return told if told is not None and concerns(self.practitioner, told) else None


@asynccontextmanager
async def open_sources(config: Config, agenda: Provider) -> AsyncIterator[Sequence[Source]]:
    """Open the partners of an agenda, and the agenda itself when a partner's word is all there is of it."""
    behind = agenda.provider if isinstance(agenda, Desk) else agenda
    async with AsyncExitStack() as stack:
        sources = [await _open(config, each, stack, agenda) for each in config.partners]
        if isinstance(behind, TELLERS):
            sources.append(Source(name=config.name, provider=behind))
        yield sources


async def _open(config: Config, partner: Partner, stack: AsyncExitStack, agenda: Provider) -> Source:
    if partner.write and not isinstance(agenda, Desk):
        raise UsageError("usage", f"partners {partner.name}: write needs an agenda that can be written into")
    settings = msgspec.structs.replace(config, provider=partner.provider)
    openers = {"imip": open_imip, "link": open_link, "push": open_push}
    opener = openers.get(str(partner.provider.get("kind")))
    if opener is None:
        raise UsageError("usage", f"partners {partner.name}: provider.kind: {', '.join(openers)}")
    provider = await stack.enter_async_context(opener(settings))
    assert isinstance(provider, TELLERS)
    return Source(name=partner.name, provider=provider, write=partner.write, practitioner=partner.practitioner)


@dataclass(frozen=True, slots=True)
class Taken:
    """When partners say that somebody is there: from the moment in which they were acknowledged, whoever asks."""

    inbox: Inbox
    source: str
    practitioner: str

    async def read(self, window: Window) -> Reading:
        """Say when it is busy."""
        found: list[tuple[datetime, datetime]] = []
        for start, end in self.inbox.booked(self.source, self.practitioner):
            if window.overlaps(start, end):
                begun, ended = max(start, window.start), min(end, window.end)
                if found and begun <= found[-1][1]:
                    found[-1] = (found[-1][0], max(ended, found[-1][1]))
                else:
                    found.append((begun, ended))
        return Reading(busy=found)


def inbox_of(partner: Partner) -> tuple[str, str]:
    """Give the file in which a partner's word arrives, and its name there; empty for one that tells nothing."""
    told = partner.provider
    try:
        match told.get("kind"):
            case "push":
                push = msgspec.convert(told, PushSettings)
                return push.inbox, push.source
            case "link":
                link = msgspec.convert(told, LinkSettings)
                return link.inbox, link.source
            case "imip":
                return msgspec.convert(told, ImipSettings).inbox, SOURCE
    except msgspec.ValidationError as error:
        raise UsageError("usage", f"partners {partner.name}: {error}") from None
    return "", ""
