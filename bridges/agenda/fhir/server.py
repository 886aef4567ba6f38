"""The practice's FHIR endpoint: free slots, and a door for appointments. Source: docs/spec/agenda-partners.md 5.2."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from aiohttp import web

from bridges.agenda.fhir import search
from bridges.agenda.fhir.door import Door, RefusalError
from bridges.agenda.fhir.gate import Gate
from bridges.agenda.fhir.practice import Offer, Professional, resources_of
from bridges.agenda.fhir.reading import APPOINTMENT, FhirError, Resource
from bridges.agenda.fhir.terms import JSON, JSON_OF_SAS, SAS
from bridges.agenda.provider import AgendaError, Window
from bridges.agenda.push.inbox import Inbox
from bridges.kit.local_file import FileError

PARTNER: Final = web.RequestKey("partner", str)
PATIENCE: Final = 20.0  # seconds one agenda may take to say what is free
STATUS: Final[Mapping[str, int]] = {
    "forbidden": 403,
    "not_found": 404,
    "method": 405,
    "media_type": 406,
    "identifier_taken": 409,
    "stale_version": 412,
    "too_large": 413,
    "unknown_practitioner": 422,
    "status": 422,
    "times_missing": 422,
    "unavailable": 503,
}
"""Refusals that are not 400."""
HTTP_CODES: Final = {404: "not_found", 405: "method", 413: "too_large"}
ISSUES: Final[Mapping[int, str]] = {
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "duplicate",
    412: "conflict",
    413: "too-long",
    422: "business-rule",
    503: "transient",
}
"""FHIR's own codes of an OperationOutcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Answers at ``/fhir``; see ``app``."""

    base: str  # public address, without a slash at its end
    professionals: Sequence[Professional]
    inbox: Inbox
    gate: Gate
    clock: Callable[[], datetime]
    zone: str = "Europe/Paris"  # of times without an offset

    def app(self) -> web.Application:
        """Make the application; the caller serves it over TLS that asks for certificates."""
        app = web.Application(client_max_size=APPOINTMENT, middlewares=[self._guard])
        app.router.add_get("/fhir/metadata", self._capabilities, allow_head=False)
        app.router.add_get("/fhir/Slot", self._search, allow_head=False)
        app.router.add_get("/fhir/Slot/", self._search, allow_head=False)
        app.router.add_get("/fhir/Appointment", self._find, allow_head=False)
        app.router.add_post("/fhir/Appointment", self._create)
        app.router.add_put("/fhir/Appointment", self._update)
        app.router.add_get("/fhir/Appointment/{id}", self._read, allow_head=False)
        return app

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Admit partners only, and turn every refusal into an OperationOutcome."""
        partner = self.gate.admit(request)
        if partner is None:
            return _outcome(request, "forbidden")
        request[PARTNER] = partner
        try:
            _require_json(request)
            return await handler(request)
        except (RefusalError, FhirError) as error:
            return self._refused(request, error.code, error.where)
        except web.HTTPException as error:
            return self._refused(request, HTTP_CODES.get(error.status, "bad_request"))
        except (AgendaError, TimeoutError, FileError):
            return _outcome(request, "unavailable")

    def _refused(self, request: web.Request, code: str, where: str = "") -> web.Response:
        if request.method != "GET":  # an appointment did not arrive: the practice should know
            self.inbox.trouble(request[PARTNER], code, self.clock())
        return _outcome(request, code, where)

    # --- slots ----------------------------------------------------------------------------------------------------

    async def _search(self, request: web.Request) -> web.Response:
        lenient = "handling=lenient" in request.headers.get("Prefer", "")
        question = search.understand(request.query.items(), zone=self.zone, lenient=lenient)
        offers = await self._offers(question)
        first = question.page * question.count
        shown = offers[first : first + question.count]
        found = resources_of(shown, schedules=question.schedules, actors=question.actors)
        links = [("self", question.page)]
        if first + question.count < len(offers) and question.count:
            links.append(("next", question.page + 1))
        bundle: Resource = {
            "resourceType": "Bundle",
            "meta": {"profile": [SAS + "BundleAgregateur"]},
            "type": "searchset",
            "total": len(offers),
            "link": [{"relation": name, "url": self._address(request, page)} for name, page in links],
        }
        if found:
            bundle["entry"] = [self._entry(each) for each in found]
        return _json(request, bundle)

    async def _offers(self, question: search.Question) -> list[Offer]:
        if not question.free or question.start == question.end:
            return []
        window = Window(start=question.start, end=question.end)
        named = [
            (one, place)
            for one in self.professionals
            if question.professionals is None or one.identifier in question.professionals
            for place in one.places
        ]
        async with asyncio.timeout(PATIENCE):
            found = await asyncio.gather(*(place.agenda.find(window) for _, place in named))
        offers = [
            Offer(one, place, slot)
            for (one, place), slots in zip(named, found, strict=True)
            for slot in slots
            if window.start <= slot.start < window.end
        ]
        return sorted(offers, key=lambda each: (each.slot.start, each.place.key))

    def _address(self, request: web.Request, page: int) -> str:
        query = [(name, value) for name, value in request.query.items() if name != "_page"]
        pages = [("_page", str(page))] if page else []
        return str(request.rel_url.with_query([*query, *pages])).replace("/fhir", self.base, 1)

    def _entry(self, resource: Resource) -> Resource:
        mode = "match" if resource["resourceType"] == "Slot" else "include"
        return {
            "fullUrl": f"{self.base}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": mode},
        }

    # --- appointments ---------------------------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.Response:
        kept = self._door(request).create(await request.read())
        return self._kept(request, kept.token, kept.version, 201)

    async def _update(self, request: web.Request) -> web.Response:
        identifier = _identifier(request)
        kept = self._door(request).update(
            await request.read(), identifier=identifier, if_match=request.headers.get("If-Match", "")
        )
        return self._kept(request, kept.token, kept.version, 201 if kept.created else 200)

    async def _read(self, request: web.Request) -> web.Response:
        found = self._door(request).read(request.match_info["id"])
        return _json(request, found, headers={"ETag": f'W/"{found["meta"]["versionId"]}"'})

    async def _find(self, request: web.Request) -> web.Response:
        named = [value for name, value in request.query.items() if name.lower() == "identifier"]
        if "_lastUpdated" not in request.query and not any(value.endswith("|") for value in named):
            one = self._door(request).find(_identifier(request))
            return self._listed(request, [one] if one else [], page=0, count=1)
        question = search.understand_updates(request.query.items())
        found = self._door(request).updated(question)
        return self._listed(request, found, page=question.page, count=question.count)

    def _listed(self, request: web.Request, found: Sequence[Resource], *, page: int, count: int) -> web.Response:
        """Give one page of appointments, with the way to the next one."""
        first = page * count
        links = [("self", page), *([("next", page + 1)] if first + count < len(found) and count else [])]
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(found),
            "link": [{"relation": name, "url": self._address(request, number)} for name, number in links],
        }
        if shown := found[first : first + count]:
            bundle["entry"] = [self._entry(each) | {"search": {"mode": "match"}} for each in shown]
        return _json(request, bundle)

    def _door(self, request: web.Request) -> Door:
        known = {one.identifier for one in self.professionals}
        return Door(inbox=self.inbox, source=request[PARTNER], professionals=known, zone=self.zone, now=self.clock())

    def _kept(self, request: web.Request, token: str, version: int, status: int) -> web.Response:
        headers = {"Location": f"{self.base}/Appointment/{token}", "ETag": f'W/"{version}"'}
        return _json(request, self._door(request).read(token), status=status, headers=headers)

    async def _capabilities(self, request: web.Request) -> web.Response:
        return _json(request, _statement(self.clock()))


def _identifier(request: web.Request) -> str:
    """Take ``identifier=system|value``; the guide itself writes it with a capital letter."""
    found = [value for name, value in request.query.items() if name.lower() == "identifier"]
    unknown = [name for name in request.query if name.lower() not in {"identifier", "_format"}]
    if unknown or len(found) != 1 or "|" not in found[0]:
        raise FhirError("bad_parameter", "identifier")
    return found[0]


def _require_json(request: web.Request) -> None:
    wanted = request.headers.get("Accept", "*/*")
    if not any(each in wanted for each in ("*/*", "application/*", "json")):
        raise RefusalError("media_type", "Accept")


def _json(
    request: web.Request, resource: Resource, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    kind = JSON_OF_SAS if JSON_OF_SAS in request.headers.get("Accept", "") else JSON
    return web.Response(
        body=msgspec.json.encode(resource),
        status=status,
        headers={"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-store", **(headers or {})},
    )


def _outcome(request: web.Request, code: str, where: str = "") -> web.Response:
    status = STATUS.get(code, 400)
    issue: Resource = {"severity": "error", "code": ISSUES.get(status, "invalid"), "diagnostics": code}
    if where:
        issue["expression"] = [where]
    resource: Resource = {"resourceType": "OperationOutcome", "issue": [issue]}
    return _json(request, resource, status=status, headers={"Retry-After": "60"} if status == 503 else {})


def _statement(now: datetime) -> Resource:
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": f"{now:%Y-%m-%d}",
        "kind": "instance",
        "software": {"name": "Pli"},
        "implementation": {"description": "Agenda of a practice"},
        "fhirVersion": "4.0.1",
        "format": [JSON],
        "implementationGuide": ["https://interop.esante.gouv.fr/ig/fhir/sas"],
        "rest": [{"mode": "server", "resource": [_slots(), _appointments()]}],
    }


def _slots() -> Resource:
    return {
        "type": "Slot",
        "interaction": [{"code": "search-type"}],
        "searchInclude": ["Slot:schedule", "Schedule:actor"],
        "searchParam": [
            {"name": "start", "type": "date"},
            {"name": "status", "type": "token"},
            {"name": search.ACTOR, "type": "token"},
        ],
    }


def _appointments() -> Resource:
    return {
        "type": "Appointment",
        "interaction": [{"code": each} for each in ("create", "update", "read", "search-type")],
        "versioning": "versioned-update",
        "updateCreate": True,
        "conditionalUpdate": True,
        "searchParam": [{"name": "identifier", "type": "token"}, {"name": "_lastUpdated", "type": "date"}],
    }
