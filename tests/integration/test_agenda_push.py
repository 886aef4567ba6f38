"""A partner pushes over HTTP what became of its appointments; strangers, liars and repeaters get nothing."""

import asyncio
import hmac
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from bridges.agenda.push.inbox import Inbox
from bridges.agenda.push.signature import Keys
from bridges.agenda.push.webhook import BODY, Partner, Webhook
from bridges.kit.local_file import FileError

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
SECRET = b"0123456789abcdef0123456789abcdef"
TOLD = {
    "event": "evt-1",
    "kind": "booked",
    "occurred_at": "2026-11-22T09:59:00+01:00",
    "appointment": {"reference": "A-77", "start": "2026-12-01T09:00:00+01:00", "end": "2026-12-01T09:20:00+01:00"},
    "correlation": "k7",
    "patient_name": "DUPONT Anne",
    "motive": "suivi",
}


class Site:
    """A webhook on a port, and a partner that signs."""

    def __init__(self, server, inbox):
        self.server, self.inbox = server, inbox

    async def post(self, body, *, partner="lgc", secret=SECRET, at=NOW, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int(at.timestamp()))
        signature = "v1=" + hmac.new(secret, stamp.encode() + b"." + raw, "sha256").hexdigest()
        sent = {"Pli-Timestamp": stamp, "Pli-Signature": signature, "Content-Type": "application/json", **headers}
        url = self.server.make_url(f"/push/{partner}")
        async with aiohttp.ClientSession() as session, session.post(url, data=raw, headers=sent) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def site(tmp_path):
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    partners = {"lgc": Partner(name="lgc", keys=Keys(secrets=(SECRET,)))}
    async with TestServer(Webhook(inbox=inbox, partners=partners, clock=lambda: NOW).app()) as server:
        yield Site(server, inbox)
    inbox.close()


async def test_a_signed_message_is_kept_before_it_is_acknowledged(site, tmp_path):
    status, answer = await site.post(TOLD)
    assert (status, answer["outcome"]) == (200, "new")
    (change,) = site.inbox.changes("lgc").changes
    assert change.reference == answer["appointment"]
    assert change.appointment.start == datetime(2026, 12, 1, 8, tzinfo=UTC)
    stored = b"".join(one.read_bytes() for one in tmp_path.glob("inbox.sqlite3*"))
    assert b"lgc" in stored
    assert b"DUPONT" not in stored
    assert b"suivi" not in stored


async def test_repeats_are_acknowledged_and_taken_once(site):
    cursor = site.inbox.changes("lgc").cursor
    answers = await asyncio.gather(*(site.post(TOLD) for _ in range(20)))
    assert sorted(answer["outcome"] for _, answer in answers) == ["again"] * 19 + ["new"]
    assert len(site.inbox.changes("lgc", cursor).changes) == 1


async def test_the_id_of_another_message_is_a_conflict(site):
    await site.post(TOLD)
    assert await site.post({**TOLD, "kind": "cancelled"}) == (409, {"code": "event_reused"})
    assert site.inbox.changes("lgc").changes[0].appointment.state == "booked"


async def test_strangers_liars_and_old_messages_are_refused(site):
    assert await site.post(TOLD, secret=b"x" * 32) == (401, {"code": "signature_wrong"})
    assert await site.post(TOLD, partner="nobody") == (401, {"code": "signature_wrong"})
    assert await site.post(TOLD, at=NOW.replace(hour=8)) == (401, {"code": "timestamp_outside"})
    assert await site.post(TOLD, **{"Pli-Signature": ""}) == (401, {"code": "signature_missing"})
    assert await site.post(TOLD, **{"Content-Type": "text/plain"}) == (415, {"code": "media_type"})
    assert not site.inbox.changes("lgc").changes
    reasons = {each.reason for each in site.inbox.troubles()}
    assert reasons == {"signature_wrong", "timestamp_outside", "signature_missing"}


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        (b"{", "malformed", None),
        (b"\xff", "malformed", None),
        (b"[" * 30_000, "malformed", None),
        (b'"\\ud800"', "malformed", None),
        ({**TOLD, "kind": "eaten"}, "malformed", "$.kind"),
        ({**TOLD, "event": ""}, "id_length", "event"),
        ({**TOLD, "event": 5}, "malformed", "$.event"),
        ({**TOLD, "occurred_at": "2026-11-22T09:59:00"}, "time_without_zone", "occurred_at"),
        ({**TOLD, "appointment": {"reference": "A"}}, "times_missing", "start"),
        ({**TOLD, "appointment": {**TOLD["appointment"], "zone": "Europe/Atlantis"}}, "zone_unknown", "zone"),
        ({**TOLD, "appointment": {**TOLD["appointment"], "zone": "../../etc/passwd"}}, "zone_unknown", "zone"),
        ({**TOLD, "appointment": {**TOLD["appointment"], "end": "2026-12-01T09:00:00+01:00"}}, "times_wrong", "start"),
        ({**TOLD, "appointment": {**TOLD["appointment"], "link": "http://10.0.0.1/"}}, "link_unsafe", "link"),
        (
            {**TOLD, "appointment": {**TOLD["appointment"], "start": "0001-01-01T00:00:00+12:00"}},
            "times_wrong",
            "start",
        ),
    ],
)
async def test_what_cannot_be_true_is_refused_with_its_place(site, body, code, where):
    status, answer = await site.post(body)
    assert status == 422
    assert (answer["code"], answer.get("where")) == (code, where)
    assert [each.reason for each in site.inbox.troubles()] == [code]


async def test_a_body_that_is_too_large_is_not_read(site):
    assert await site.post(b" " * (BODY + 1)) == (413, {"code": "body_too_large"})


async def test_a_full_disk_is_no_acknowledgement(site, monkeypatch):
    def full(*_, **__):
        raise FileError("database or disk is full")

    monkeypatch.setattr(site.inbox, "take", full)
    assert await site.post(TOLD) == (503, {"code": "unavailable"})
