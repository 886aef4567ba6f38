"""A directory in the shapes of the Annuaire Santé, honest or lying, over real sockets.

The resources are written by us after the public guide (interop.esante.gouv.fr/ig/fhir/annuaire); people are invented.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

BASE = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition"
R256 = "https://mos.esante.gouv.fr/NOS/TRE_R256-TypeMessagerie/FHIR/TRE-R256-TypeMessagerie"
R257 = "https://mos.esante.gouv.fr/NOS/TRE_R257-TypeBAL/FHIR/TRE-R257-TypeBAL"
G15 = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
KEY = "cle-de-test"
DUPONT, RPPS = "jean.dupont@medecin.mssante.fr", "10003456789"


def mailbox(
    address: str,
    kind: str = "PER",
    *,
    red: bool | None = False,
    metadata: str = "as-ext-mailbox-mss-metadata",
    typed: bool = True,
) -> dict[str, Any]:
    """A telecom; ``red=None`` leaves the flag out, ``typed=False`` the type of mail."""
    flags = [] if red is None else [{"url": "listeRouge", "valueBoolean": red}]
    said = {
        "url": f"{BASE}/{metadata}",
        "extension": [
            {"url": "type", "valueCodeableConcept": {"coding": [{"system": R257, "code": kind}]}},
            *flags,
        ],
    }
    email_type = {
        "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-contact-point-email-type",
        "valueCoding": {"system": R256, "code": "MSSANTE"},
    }
    return {"system": "email", "value": address, "extension": [*([email_type] if typed else []), said]}


def practitioner(
    id_: str = "p1", number: str = RPPS, *boxes: dict[str, Any], name: str = "Dupont", active: bool = True
) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": id_,
        "active": active,
        "identifier": [
            {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": f"8{number}"},
            {"system": "https://rpps.esante.gouv.fr", "value": number},
        ],
        "name": [{"family": name, "given": ["Jean", "Luc"]}],
        "qualification": [{"code": {"coding": [{"system": G15, "code": "10"}]}}],
        **({"telecom": list(boxes)} if boxes else {}),
    }


def role(id_: str, person: str, place: str, *boxes: dict[str, Any], active: bool = True) -> dict[str, Any]:
    return {
        "resourceType": "PractitionerRole",
        "id": id_,
        "active": active,
        "practitioner": {"reference": f"Practitioner/{person}"},
        "organization": {"reference": f"Organization/{place}"},
        **({"telecom": list(boxes)} if boxes else {}),
    }


def organization(
    id_: str = "o1", finess: str = "750712184", *boxes: dict[str, Any], active: bool = True
) -> dict[str, Any]:
    return {
        "resourceType": "Organization",
        "id": id_,
        "active": active,
        "name": "CHU du Nord",
        "identifier": [{"system": "https://finess.esante.gouv.fr", "value": finess}],
        **({"telecom": list(boxes)} if boxes else {}),
    }


def bundle(*resources: dict[str, Any], following: str = "") -> dict[str, Any]:
    """A searchset; entries have no mode, as in the official examples."""
    links = [{"relation": "next", "url": following}] if following else []
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [{"fullUrl": f"{each['resourceType']}/{each['id']}", "resource": each} for each in resources],
    }


def addresses_in(resource: dict[str, Any]) -> list[str]:
    return [each["value"] for each in resource.get("telecom", ())]


class Site:
    """Answers over ``resources``; ``script`` holds answers that are given first, in their order."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.resources = list(resources)
        self.script: list[web.Response] = []
        self.asked: list[str] = []
        self.keys: list[str | None] = []
        self.page = 50
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        self.keys.append(request.headers.get("ESANTE-API-KEY"))
        if self.script:
            return self.script.pop(0)
        if self.keys[-1] != KEY:
            return web.Response(status=401)
        kind, query = request.match_info["kind"], request.rel_url.query
        found = [each for each in self.resources if each["resourceType"] == kind and self._fits(each, query)]
        at = int(query.get("at", 0))
        more = found[at + self.page :]
        following = str(request.url.update_query(at=at + self.page)) if more else ""
        shown = found[at : at + self.page]
        return self.json(bundle(*shown, *self._included(shown, query), following=following))

    def _fits(self, resource: dict[str, Any], query: Any) -> bool:
        if exact := query.get("mailbox-mss:exact"):
            return exact in addresses_in(resource)
        if piece := query.get("mailbox-mss:contains"):
            return any(piece in each for each in addresses_in(resource))
        if number := query.get("identifier"):
            return any(each["value"] in {number, f"8{number}"} for each in resource["identifier"])
        name = resource.get("name")
        shown = name if isinstance(name, str) else name[0]["family"] if name else ""
        return query.get("name", "").lower() in shown.lower()

    def _included(self, shown: list[dict[str, Any]], query: Any) -> list[dict[str, Any]]:
        """What ``_include`` and ``_revinclude`` ask for; before the matches too, to show that places mean nothing."""
        names = {f"{each['resourceType']}/{each['id']}" for each in shown}
        found = list[dict[str, Any]]()
        for each in self.resources:
            if each["resourceType"] != "PractitionerRole":
                continue
            if "_revinclude" in query and each["practitioner"]["reference"] in names:
                found.append(each)
        for each in [one for one in shown if one["resourceType"] == "PractitionerRole" and "_include" in query]:
            wanted = {each["practitioner"]["reference"], each["organization"]["reference"]}
            found += [one for one in self.resources if f"{one['resourceType']}/{one['id']}" in wanted]
        return found

    @staticmethod
    def json(value: Any, status: int = 200) -> web.Response:
        return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/fhir+json")


@asynccontextmanager
async def annuaire(*resources: dict[str, Any]):
    """Serve a directory on a free port; gives its ``Site``."""
    site = Site(*resources)
    app = web.Application()
    app.router.add_get("/fhir/v2/{kind}", site.answer)
    app.router.add_get("/elsewhere/{kind}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}/fhir/v2"
    try:
        yield site
    finally:
        await runner.cleanup()
