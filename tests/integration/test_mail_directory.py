"""Asking the Annuaire Santé: pages, pace, tries, and answers that lie. Real sockets; people are invented."""

import asyncio
import json
from contextlib import suppress

import aiohttp
import pytest
from aiohttp import web

from bridges.mail.directory.client import PAGES, TRIES, Annuaire, DirectoryError, ForbiddenError, Pace
from bridges.mail.directory.fhir import PAGE
from tests.fakes.annuaire import (
    DUPONT,
    KEY,
    RPPS,
    annuaire,
    bundle,
    mailbox,
    organization,
    practitioner,
    role,
)
from tests.fakes.fhir_peer import fhir_peer, needs_fhir_peer

BOX = mailbox(DUPONT)


class Clock:
    """A time that passes when somebody sleeps."""

    def __init__(self):
        self.now, self.slept = 0.0, []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def pace():
    clock = Clock()
    return clock, Pace(clock=lambda: clock.now, sleep=clock.sleep)


def asking(url, **more):
    return Annuaire(base=url, key=KEY, inside=True, pace=more.pop("pace", None) or pace()[1], **more)


async def test_an_address_is_found_in_each_of_the_three_places():
    service = mailbox("accueil@chu.mssante.fr", "ORG")
    resources = practitioner("p1", RPPS), role("r1", "p1", "o1", BOX), organization("o1", "750712184", service)
    async with annuaire(*resources) as site, asking(site.url) as client:
        (mine,) = (await client.of_address(DUPONT)).entries
        (theirs,) = (await client.of_address("accueil@chu.mssante.fr")).entries
        assert (await client.of_address("nobody@chu.mssante.fr")).entries == ()
    assert (mine.owner, mine.place, theirs.kind) == (RPPS, "CHU du Nord", "ORG")
    assert set(site.keys) == {KEY}
    assert all("mailbox-mss:exact=" in each and "_count=50" in each for each in site.asked)


async def test_a_number_finds_the_boxes_of_a_person_and_of_each_activity():
    work = mailbox("jean.dupont@chu.mssante.fr")
    other = practitioner("p2", "10009876543", mailbox("autre@medecin.mssante.fr"))
    resources = practitioner("p1", RPPS, BOX), role("r1", "p1", "o1", work), other
    async with annuaire(*resources) as site, asking(site.url) as client:
        found = await client.of_words(f"8{RPPS}")
    assert {each.address for each in found.entries} == {DUPONT, "jean.dupont@chu.mssante.fr"}


async def test_names_and_pieces_of_addresses_are_searched():
    async with annuaire(practitioner("p1", RPPS, BOX), organization("o1", "1")) as site, asking(site.url) as client:
        assert [each.address for each in (await client.of_words("Dupont")).entries] == [DUPONT]
        assert [each.address for each in (await client.of_words("@medecin")).entries] == [DUPONT]


async def test_pages_are_followed_to_the_last():
    people = [
        practitioner(f"p{n}", f"1{n:010}", mailbox(f"dr{n}@medecin.mssante.fr"), name="Martin") for n in range(130)
    ]
    async with annuaire(*people) as site, asking(site.url) as client:
        found = await client.of_words("martin")
    assert (len(found.entries), found.complete) == (130, True)


async def test_calls_keep_the_pace_of_one_application():
    clock, kept = pace()
    for _ in range(35):
        await kept.wait()
    assert clock.now == pytest.approx(34 / 17)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_busy_directory_is_asked_again_later_each_time(status):
    clock, kept = pace()
    async with annuaire(organization()) as site, asking(site.url, pace=kept) as client:
        site.script = [web.Response(status=status, headers={"Retry-After": "7"}), web.Response(status=status)]
        await client._search("Organization", [])
    waits = [each for each in clock.slept if each > 0.1]
    assert len(site.asked) == 3
    assert 7 <= waits[0] <= 10.5
    assert 1 <= waits[1] <= 1.5


async def test_it_is_not_asked_for_ever():
    async with annuaire(organization()) as site, asking(site.url) as client:
        site.script = [web.Response(status=503, headers={"Retry-After": "99999"}) for _ in range(9)]
        with pytest.raises(DirectoryError, match="away 503") as caught:
            await client.of_words("dupont")
    assert (len(site.asked), caught.value.refused) == (TRIES, False)


@pytest.mark.parametrize(("status", "why"), [(401, "key_refused"), (403, "key_refused"), (400, "question_refused 400")])
async def test_a_refusal_is_not_tried_again(status, why):
    async with annuaire(organization()) as site, asking(site.url) as client:
        site.script = [web.Response(status=status)]
        with pytest.raises(DirectoryError, match=why) as caught:
            await client.probe()
    assert (len(site.asked), caught.value.refused) == (1, True)


@pytest.mark.parametrize(
    "link",
    ["http://evil.example/fhir/v2/Practitioner", "https://127.0.0.1/fhir/v2/Practitioner", "//evil.example/fhir/v2/P",
     "/elsewhere/Practitioner", "../../elsewhere/Practitioner", "http://[", "file:///etc/passwd",
     "http://user:word@127.0.0.1/fhir/v2/Practitioner"],
)  # fmt: skip
async def test_a_next_page_elsewhere_is_never_asked_for(link):
    async with annuaire(organization()) as site, asking(site.url) as client:
        site.script = [site.json(bundle(practitioner("p1", RPPS, BOX), following=link))]
        with pytest.raises(ForbiddenError):
            await client.of_words("dupont")
    assert len(site.asked) == 1


async def test_a_redirect_does_not_carry_the_key_away():
    async with annuaire(organization()) as site, annuaire() as other, asking(site.url) as client:
        site.script = [web.Response(status=307, headers={"Location": f"{other.url}/Practitioner"})]
        with pytest.raises(ForbiddenError, match="redirect"):
            await client.of_words("dupont")
    assert other.asked == []


async def test_a_page_that_leads_to_itself_ends():
    async with annuaire(organization()) as site, asking(site.url) as client:
        same = bundle(practitioner("p1", RPPS, BOX), following=f"{site.url}/Practitioner?loop=1")
        site.script = [site.json(same) for _ in range(50)]
        with pytest.raises(DirectoryError, match="loop"):
            await client.of_words("dupont")
    assert len(site.asked) == 2


async def test_pages_without_end_end_and_the_search_says_that_it_is_not_complete():
    async with annuaire(organization()) as site, asking(site.url) as client:
        site.script = [
            site.json(bundle(practitioner("p1", RPPS, BOX), following=f"{site.url}/Practitioner?at={n}"))
            for n in range(PAGES)
        ]
        found = await client.of_words("dupont")
    assert (len(site.asked), found.complete, len(found.entries)) == (PAGES + 1, False, 1)


async def test_a_cut_or_huge_answer_is_no_answer():
    whole = json.dumps(bundle(practitioner("p1", RPPS, BOX))).encode()
    async with annuaire(organization()) as site, asking(site.url) as client:
        for body in (whole[:-40], b"<html>", b'{"resourceType":"OperationOutcome"}'):
            site.script = [web.Response(body=body)]
            with pytest.raises(DirectoryError, match="bad_answer"):
                await client.of_words("dupont")
        site.script = [web.Response(body=b" " * (PAGE + 1)) for _ in range(TRIES)]
        with pytest.raises(DirectoryError, match="away"):
            await client.of_words("dupont")


async def test_a_directory_that_never_ends_its_answer_is_left():
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(30)
        return response

    app = web.Application()
    app.router.add_get("/fhir/v2/{kind}", drip)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with asking(f"http://127.0.0.1:{runner.addresses[0][1]}/fhir/v2", deadline=0.2) as client:
        with pytest.raises(DirectoryError, match="away TimeoutError"):
            await client.probe()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("url", "inside"),
    [("http://gateway.example/fhir/v2", False), ("https://127.0.0.1/fhir/v2", False), ("https://[::1]/x", False),
     ("https://169.254.169.254/latest", False), ("https://u:p@gateway.example/fhir", False), ("ftp://x/", True)],
)  # fmt: skip
async def test_the_inside_and_clear_text_are_refused_before_anything_is_sent(url, inside):
    with pytest.raises(ForbiddenError):
        async with Annuaire(base=url, key=KEY, inside=inside):
            pass


async def test_a_name_that_leads_inside_is_refused():
    async with Annuaire(base="https://localhost/fhir/v2", key=KEY, pace=pace()[1]) as client:
        with pytest.raises(ForbiddenError, match="private address"):
            await client.probe()


@needs_fhir_peer
@pytest.mark.slow
async def test_an_independent_server_that_knows_no_mailbox_search_gives_no_false_owner(http_post):
    """Medplum passes over ``mailbox-mss`` or refuses it, and knows no ``_include``: what is believed is what came."""
    with fhir_peer() as base:
        for each in (practitioner("p1", RPPS, BOX), practitioner("p2", "10009876543", mailbox("x@y.mssante.fr"))):
            await http_post(f"{base}/Practitioner", {key: each[key] for key in each if key != "id"})
        async with asking(base) as client:
            found = await client.of_words(RPPS)
            assert [(each.address, each.owner) for each in found.entries] == [(DUPONT, RPPS)]
            with suppress(DirectoryError):  # a server may also refuse what it does not know
                assert {each.address for each in (await client.of_address(DUPONT)).entries} <= {DUPONT}


@pytest.fixture
async def http_post():
    async with aiohttp.ClientSession() as http:

        async def post(url, body):
            async with http.post(url, json=body) as answer:
                assert answer.status == 201, await answer.text()

        yield post
