"""SMART Scheduling Links: free slots as files that any web server can give. Source: docs/spec/agenda-partners.md 10.

``$bulk-publish`` is the manifest, the rest is one file of JSON lines for each kind. Only what is free is written:
what is busy would say when the practice sees people.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridges.agenda.provider import Provider, Slot, Window

MANIFEST: Final = "$bulk-publish"
GUIDE: Final = "http://hl7.org/fhir/uv/smart-scheduling-links/StructureDefinition/"
BEFORE: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/"
"""Where the extensions were named before the guide was published; readers of both exist."""
SERVICES: Final = "http://terminology.hl7.org/CodeSystem/service-type"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A place and its agenda, as published. Raises ValueError."""

    key: str  # short, of letters, digits, dash and dot: part of the ids
    name: str
    phone: str
    page: str  # of the practice, or where it is booked
    lines: Sequence[str]
    city: str
    postal_code: str
    agenda: Provider
    service: str = "124"  # of the code system of HL7: general practice
    service_name: str = "General Practice"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,20}", self.key):
            raise ValueError("key: letters, digits, dash and dot")
        if not self.page.startswith("https://"):
            raise ValueError("page: begins with https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Where the files lie, and the address under which the world reads them."""

    folder: Path
    base: str  # https, without a slash at its end
    sites: Sequence[Site]

    async def write(self, window: Window, now: datetime) -> int:
        """Write all files for a window; gives how many slots.

        Every agenda is asked first: when one does not answer, what is published stays as it is. Each file gets its name
        when it is whole, the manifest last.
        """
        found = [(site, slot) for site in self.sites for slot in await site.agenda.find(window)]
        slots = [_slot(site, slot) for site, slot in found]
        for kind, resources in (
            ("Location", [_location(site) for site in self.sites]),
            ("Schedule", [_schedule(site) for site in self.sites]),
            ("Slot", slots),
        ):
            self._put(f"{kind.lower()}s.ndjson", _lines(resources))
        self._put(MANIFEST, json.dumps(self._manifest(now), indent=1).encode())
        return len(slots)

    def _manifest(self, now: datetime) -> Resource:
        return {
            "transactionTime": now.astimezone(UTC).isoformat(timespec="seconds"),
            "request": f"{self.base}/{MANIFEST}",
            "output": [
                {"type": kind, "url": f"{self.base}/{kind.lower()}s.ndjson"}
                for kind in ("Location", "Schedule", "Slot")
            ],
            "error": [],
        }

    def _put(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{name}.part"
        with part.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o644)
        part.replace(self.folder / name)


def _lines(resources: Iterable[Resource]) -> bytes:
    return b"".join(json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for each in resources)


def _location(site: Site) -> Resource:
    return {
        "resourceType": "Location",
        "id": site.key,
        "identifier": [{"system": site.page, "value": site.key}],
        "name": site.name,
        "telecom": [{"system": "phone", "value": site.phone}, {"system": "url", "value": site.page}],
        "address": {
            "line": list(site.lines),
            "city": site.city,
            "state": site.postal_code[:2],  # of a French address: the department
            "postalCode": site.postal_code,
            "country": "FR",
        },
    }


def _schedule(site: Site) -> Resource:
    coding = {"system": SERVICES, "code": site.service, "display": site.service_name}
    return {
        "resourceType": "Schedule",
        "id": f"{site.key}.agenda",
        "actor": [{"reference": f"Location/{site.key}"}],
        "serviceType": [{"coding": [coding]}],
    }


def _slot(site: Site, slot: Slot) -> Resource:
    zone = ZoneInfo(slot.zone)
    name = hashlib.sha256(f"{site.key}\0{slot.reference}\0{slot.start.isoformat()}".encode()).hexdigest()[:32]
    return {
        "resourceType": "Slot",
        "id": f"{site.key}.{name}",
        "schedule": {"reference": f"Schedule/{site.key}.agenda"},
        "status": "free",
        "start": slot.start.astimezone(zone).isoformat(timespec="seconds"),
        "end": slot.end.astimezone(zone).isoformat(timespec="seconds"),
        "extension": [
            {"url": f"{where}booking-deep-link", "valueUrl": slot.link or site.page} for where in (GUIDE, BEFORE)
        ],
    }
