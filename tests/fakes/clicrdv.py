"""A ClicRDV that follows the public documentation of its interface: API key, Basic, pages of 25, wall times, soft deletion."""

import re
from base64 import b64encode
from datetime import datetime, timedelta

from aiohttp import web

FORM = "%Y-%m-%d %H:%M:%S"
USER, PASSWORD, KEY = "agenda@cabinet.example", "s3cret", "k-1"


class ClicRdv:
    """One group with one calendar, open every day from 9 to 12 in steps of 20 minutes."""

    def __init__(self):
        self.events, self.clock = {}, datetime(2026, 11, 22, 10)
        self.fault = None  # a function of a request that may answer in our place
        self.app = web.Application(middlewares=[self._guard])
        root = "/api/v1/groups/4"
        self.app.router.add_get(f"{root}/availabletimeslots.json", self._free)
        self.app.router.add_get(f"{root}/vevents.json", self._list)
        self.app.router.add_post(f"{root}/vevents.json", self._create)
        for method in ("GET", "PUT", "DELETE"):
            self.app.router.add_route(method, root + r"/vevents/{id:\d+}.json", self._one)

    @web.middleware
    async def _guard(self, request, handler):
        word = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if request.query.get("apikey") != KEY or request.headers.get("Authorization") != word:
            return web.json_response({"error": "unauthorized"}, status=401)
        if self.fault and (told := await self.fault(request)) is not None:
            return told
        return await handler(request)

    def add(self, start, end, **more):
        """Write an event as the practice does at its own screen."""
        return self._store({"start": start, "end": end, "calendar_id": 15, "text": "X", **more})

    def tick(self):
        self.clock += timedelta(seconds=1)
        return self.clock.strftime(FORM)

    def _store(self, told):
        at = self.tick()
        number = len(self.events) + 100
        self.events[number] = {
            "type": "Vevent",
            "deleted": False,
            "note": False,
            "comments": "",
            **told,
            "id": number,
            "created_at": at,
            "updated_at": at,
        }
        return self.events[number]

    def taken(self, start, end):
        return any(
            not each["deleted"] and each["type"] != "VfreebusyEvent" and each["start"] < end and start < each["end"]
            for each in self.events.values()
        )

    async def _free(self, request):
        query = request.query
        first, last = (datetime.strptime(query[name], FORM) for name in ("start", "end"))
        found, moment = [], first.replace(hour=9, minute=0, second=0)
        while moment <= last:
            ends = moment + timedelta(minutes=20)
            if moment.hour < 12 and moment >= first and not self.taken(moment.strftime(FORM), ends.strftime(FORM)):
                found.append({"start": moment.strftime(FORM), "capacity": 1, "calendar_ids": [15]})
            moment = ends if ends.hour < 12 else (moment + timedelta(days=1)).replace(hour=9, minute=0)
        return web.json_response(
            {
                "group_id": 4,
                "firstSlot": found[0]["start"] if found else None,
                "intervention_ids": [21],
                "availabletimeslots": found,
            }
        )

    async def _list(self, request):
        found = [each for each in self.events.values() if str(each["calendar_id"]) == request.query.get("calendar_id")]
        number = 0
        while f"conditions[{number}][field]" in request.query:
            field, op, value = (request.query[f"conditions[{number}][{name}]"] for name in ("field", "op", "value"))
            compare = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "!=": lambda a, b: a != b}[op]
            found = [each for each in found if compare(str(each[field]), value)]
            number += 1
        if sort := request.query.get("sort"):
            found.sort(key=lambda each: each[sort], reverse=request.query.get("dir") == "desc")
        size, first = int(request.query.get("results", 25)), int(request.query.get("startIndex", 0))
        page = found[first : first + size]
        return web.json_response(
            {
                "records": page,
                "sort": sort,
                "dir": "asc",
                "totalRecords": len(found),
                "startIndex": first,
                "recordsReturned": len(page),
                "pageSize": size,
            }
        )

    async def _create(self, request):
        told = (await request.json())["vevent"]
        if not all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told.get(name, "")) for name in ("start", "end")):
            return web.json_response({"error": "start"}, status=400)
        return web.json_response(self._store(told), status=201)

    async def _one(self, request):
        event = self.events.get(int(request.match_info["id"]))
        if event is None:
            return web.json_response({"error": "not found"}, status=404)
        if request.method == "PUT":
            event.update((await request.json())["vevent"], updated_at=self.tick())
        if request.method == "DELETE":
            event.update(deleted=True, updated_at=self.tick())
        return web.json_response(event)
