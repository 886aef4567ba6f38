"""Pages of others: what a link says, what comes back, and whose it is."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.agenda.links.adapter import LEAVES, LinkProvider
from bridges.agenda.links.availability import Agreement, read
from bridges.agenda.links.matching import Awaited, Booked, Match, match, owner
from bridges.agenda.provider import Ability, UnreachableError
from bridges.agenda.push.arrival import Arrival
from bridges.agenda.push.inbox import Inbox

SAMPLES = Path(__file__).resolve().parents[4].parent / "shared/samples/agenda-platforms"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = datetime(2026, 12, 1, 8, tzinfo=UTC)
AGREEMENT = Agreement(
    text="Contrat partenaire du 3 mars 2026 avec l'éditeur", path="x", query={}, zone="Europe/Paris", minutes=10
)


@pytest.mark.parametrize(
    ("address", "label"),
    [
        ("https://www.doctolib.fr/medecin-generaliste/agen/x", "Doctolib"),
        ("https://www.maiia.com/x", "Maiia"),
        ("https://keldoc.com/x?motive=1", "Keldoc"),
        ("https://doctolib.fr.evil.example/x", "doctolib.fr.evil.example"),
        ("https://www.cabinet.example/rdv", "cabinet.example"),
    ],
)
async def test_a_link_is_what_the_practice_configured(address, label):
    link = await LinkProvider(address).link()
    assert (link.url, link.label, link.warnings) == (address, label, (LEAVES,))


@pytest.mark.parametrize(
    "address",
    [
        "http://doctolib.fr/x",
        "javascript:alert(1)",
        "https://u:p@doctolib.fr/",
        "https://doctolib.fr/#anne",
        "https://x.fr/?mail=a@b.fr",
        "https://" + "x" * 600,
    ],
)
def test_what_is_no_booking_page(address):
    with pytest.raises(ValueError):
        LinkProvider(address)


async def test_a_link_may_carry_a_token_of_its_own():
    provider = LinkProvider("https://rdv.example/?motive=1", parameter="origin")
    one, other = await provider.link(), await provider.link()
    assert one.url.startswith("https://rdv.example/?motive=1&origin=")
    assert provider.correlation(one.url) != provider.correlation(other.url)
    assert len(provider.correlation(one.url)) >= 20
    assert provider.names(one.url)
    assert not provider.names("https://rdv.example.evil.example/")
    assert not provider.names("https://rdv.example/another")


def test_what_can_be_done_is_what_was_configured(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db")
    assert LinkProvider("https://rdv.example/").capabilities().abilities == {Ability.LINK}
    assert LinkProvider("https://rdv.example/", inbox=inbox).capabilities().abilities == {Ability.LINK, Ability.CHANGES}
    inbox.close()


def awaited(name, **more):
    return Awaited(**{"reference": name, "given_at": NOW, "until": NOW + timedelta(days=2), **more})


def booked(**more):
    return Booked(**{"start": START, "made_at": NOW + timedelta(hours=1), **more})


@pytest.mark.parametrize(
    ("event", "people", "certainty", "whose"),
    [
        (booked(correlation="k"), [awaited("a", correlation="k"), awaited("b", correlation="l")], "certain", ("a",)),
        (booked(person="p"), [awaited("a", person="p"), awaited("b")], "certain", ("a",)),
        (booked(correlation="k", made_at=NOW + timedelta(days=9)), [awaited("a", correlation="k")], "certain", ("a",)),
        (booked(), [awaited("a")], "likely", ("a",)),
        (booked(), [awaited("a", expected=START), awaited("b")], "likely", ("a",)),
        (booked(practitioner="8"), [awaited("a", practitioner="8"), awaited("b", practitioner="9")], "likely", ("a",)),
        (booked(), [awaited("a"), awaited("b")], "ambiguous", ("a", "b")),
        (booked(), [awaited("a"), awaited("a", given_at=NOW + timedelta(minutes=5))], "likely", ("a",)),
        (booked(person="p"), [awaited("a", person="p"), awaited("b", person="p")], "ambiguous", ("a", "b")),
        (booked(person="p"), [awaited("a", person="q")], "none", ()),
        (booked(correlation="k"), [awaited("a", correlation="l")], "none", ()),
        (booked(), [awaited("a", expected=START + timedelta(hours=1))], "none", ()),
        (booked(made_at=NOW - timedelta(hours=1)), [awaited("a")], "none", ()),
        (booked(made_at=NOW + timedelta(days=3)), [awaited("a")], "none", ()),
        (booked(), [], "none", ()),
    ],
)
def test_whose_an_appointment_is(event, people, certainty, whose):
    found = match(event, people)
    assert (found.certainty, found.references) == (certainty, whose)


async def test_what_a_platform_tells_comes_back_to_the_conversation(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db")
    provider = LinkProvider("https://rdv.example/", inbox=inbox, source="doctolib", parameter="origin")
    cursor = (await provider.changes()).cursor
    token = provider.correlation((await provider.link()).url)
    arrival = {
        "source": "doctolib",
        "kind": "booked",
        "start": START,
        "end": START + timedelta(minutes=20),
        "said_at": NOW + timedelta(hours=1),
    }
    inbox.take(Arrival(event="1", reference="A", correlation=token, **arrival), now=NOW)
    inbox.take(Arrival(event="2", reference="B", **arrival), now=NOW)
    ours, unnamed = (await provider.changes(cursor)).changes
    people = [awaited("anne", correlation=token), awaited("paul", correlation="other"), awaited("zoe")]
    assert owner(provider.told(ours.reference), people, NOW) == Match("certain", ("anne",))
    assert owner(provider.told(unnamed.reference), people, NOW).certainty == "ambiguous"
    inbox.close()


NAMES = st.sampled_from(["", "p", "q"])


@given(NAMES, NAMES, st.lists(st.tuples(NAMES, NAMES), max_size=4))
def test_nothing_is_certain_that_both_sides_did_not_name(correlation, person, others):
    people = [awaited(str(number), correlation=one, person=other) for number, (one, other) in enumerate(others)]
    found = match(booked(correlation=correlation, person=person), people)
    if found.certainty == "certain":
        whose = people[int(found.references[0])]
        assert (whose.correlation and whose.correlation == correlation) or (whose.person and whose.person == person)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shapes of the platforms are not on this machine")
@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("doctolib-availabilities-string-slots.json", [("08:00", "08:10"), ("08:10", "08:20")]),
        ("doctolib-availabilities-object-slots.json", [("09:40", "09:50")]),
        ("doctolib-availabilities-next-slot.json", []),
        ("maiia-availabilities.json", [("13:40", "13:45")]),
    ],
)
def test_the_public_shapes(name, times):
    found = read((SAMPLES / name).read_bytes(), AGREEMENT)
    assert [(f"{slot.start:%H:%M}", f"{slot.end:%H:%M}") for slot in found] == times


@pytest.mark.parametrize(
    ("slot", "count"),
    [
        (["2026-12-01T09:00:00.000+01:00", "2026-12-01T10:00:00.000+01:00"], 1),
        ([{"start_date": "2026-12-01T09:00:00+01:00"}], 1),
        ([], 0),
        (None, 0),
        (5, 0),
        ("2026-12-01T09:00:00", 0),
        ("soon", 0),
        ({"start_date": "2026-12-01T09:00:00+01:00", "end_date": "2026-12-01T08:00:00+01:00"}, 0),
        ("0001-01-01T00:00:00+14:00", 0),
    ],
)
def test_one_slot_that_is_not_understood_is_not_offered(slot, count):
    told = {"availabilities": [{"slots": [slot]}, None, {"slots": 3}, {"slots": ["2026-12-02T09:00:00+01:00"]}]}
    assert len(read(json.dumps(told).encode(), AGREEMENT)) == count + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"<html>",
        b"[" * 30_000,
        json.dumps({"availabilities": [{"slots": ["2026-12-01T09:00:00Z"] * 6000}]}).encode(),
    ],
)
def test_another_answer_is_no_agenda(body):
    with pytest.raises(UnreachableError):
        read(body, AGREEMENT)


@pytest.mark.parametrize("text", ["", "yes", "   " * 10])
def test_a_reader_needs_an_agreement(text):
    with pytest.raises(ValueError):
        Agreement(text=text, path="x", query={}, zone="Europe/Paris")
