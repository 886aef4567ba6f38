"""`pli-bridge account devices` and `account revoke`, against a real server."""

import subprocess
from dataclasses import dataclass

import pytest

from tests.journeys.support import BIN, Terminal, luhn


@pytest.fixture(scope="module")
def claire(server, tmp_path_factory):
    person = Terminal(tmp_path_factory.mktemp("claire") / "home", server.url)
    person.run("account", "create", "--link", server.add_professional("Claire Martin", "10", luhn("9999000007")))
    return person


@dataclass
class Jean:
    """A patient with the phone that he claimed with, and a laptop."""

    phone: Terminal
    laptop: Terminal
    conversation: str


@pytest.fixture(scope="module")
def make_jean(server, claire, tmp_path_factory):
    def make() -> Jean:
        letter = claire.run("invite", "--name", "Jean", "--subject", "Suivi", "--text", "Bonjour")
        folder = tmp_path_factory.mktemp("jean")
        phone, laptop = Terminal(folder / "phone", server.url), Terminal(folder / "laptop", server.url)
        taken = phone.run("account", "claim", "--link", letter["invitation_link"], "--name", "Téléphone")
        laptop.run("account", "recover", "--code", taken["recovery_code"], "--name", "Portable")
        return Jean(phone, laptop, letter["conversation"])

    return make


@pytest.fixture(scope="module")
def jean(make_jean):
    """For what changes nothing."""
    return make_jean()


def named(person: Terminal, name: str) -> dict:
    (found,) = [each for each in person.run("account", "devices")["devices"] if each["name"] == name]
    return found


def test_every_way_in_is_listed_and_this_device_marked(jean):
    listed = jean.laptop.run("account", "devices")["devices"]
    told = [(each["kind"], each["name"], each["state"], each["this"]) for each in listed]
    assert told == [
        ("device", "Téléphone", "active", False),
        ("recovery", "", "active", False),
        ("device", "Portable", "active", True),
    ]
    assert {each["id"] for each in listed if each["this"]} == {jean.laptop.run("account", "show")["holder"]}
    assert named(jean.phone, "Téléphone")["this"] is True


def test_what_may_not_be_revoked(jean):
    mine = named(jean.laptop, "Portable")["id"]
    assert jean.laptop.run("account", "revoke", mine, code=3)["error"]["code"] == "not_permitted"
    (paper,) = [each["id"] for each in jean.laptop.run("account", "devices")["devices"] if each["kind"] == "recovery"]
    assert jean.laptop.run("account", "revoke", paper, code=3)["error"]["code"] == "unlocker_missing"
    stranger = ("B" if mine[0] == "A" else "A") + mine[1:]
    assert jean.laptop.run("account", "revoke", stranger, code=4)["error"]["code"] == "not_found"
    for nonsense in ("phone", mine[:-1], mine + "A"):
        assert jean.laptop.run("account", "revoke", nonsense, code=2)["error"]["code"] == "usage"
    assert [each["state"] for each in jean.laptop.run("account", "devices")["devices"]] == ["active"] * 3


def test_people_read_the_list_in_their_language(jean):
    command = [BIN / "pli-bridge", "--home", jean.laptop.home, "--server", jean.laptop.url, "account", "devices"]
    done = subprocess.run(command, capture_output=True, timeout=60, text=True, env={"LC_ALL": "fr_FR.UTF-8"})
    assert done.returncode == 0
    assert "Portable  (cet appareil)" in done.stdout


def test_a_lost_phone_is_shut_out_and_the_others_go_on(claire, make_jean):
    jean = make_jean()
    phone, laptop, conversation = jean.phone, jean.laptop, jean.conversation
    claire.run("send", conversation, "--text", "Avant")
    lost = named(laptop, "Téléphone")["id"]
    for _ in range(2):  # a repeat changes nothing
        assert laptop.run("account", "revoke", lost) == {"revoked": lost, "generation": 2}
    assert named(laptop, "Téléphone")["state"] == "revoked"
    assert len(laptop.run("account", "show")["holders"]) == 2

    assert {each.name for each in phone.home.iterdir()} > {"lock"}
    (phone.home / "letters").mkdir()
    (phone.home / "letters" / "mine.txt").write_text("not Pli's")
    assert phone.run("read", conversation, code=3)["error"]["code"] == "device_removed"
    assert {each.name for each in phone.home.iterdir()} == {"lock", "letters"}  # no keys, no memory
    assert (phone.home / "letters" / "mine.txt").read_text() == "not Pli's"
    assert phone.run("send", conversation, "--text", "Faux", code=2)["error"]["code"] == "home_empty"
    claire.run("send", conversation, "--text", "Après la perte")
    texts = [message["text"] for message in laptop.run("read", conversation)["messages"]]
    assert texts == ["Bonjour", "Avant", "Après la perte"]
    answer = laptop.run("send", conversation, "--text", "Merci")
    assert answer["state"] == "accepted"
    assert [m["text"] for m in claire.run("read", conversation)["messages"]][-1] == "Merci"
    phone.run("account", "revoke", named(laptop, "Portable")["id"], code=2)
    assert named(laptop, "Portable")["state"] == "active"
