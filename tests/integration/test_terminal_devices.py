"""`pli-bridge account devices` and `account revoke`, against a real server."""

import subprocess

import pytest

from tests.journeys.support import BIN, Server, Terminal, free_port, luhn


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Let the many short programs share compiled modules, also where the environment forbids writing them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("devices")
    made = Server(folder / "data", folder / "log", free_port(), extra=["--no-web"])
    subprocess.run([BIN / "pli", "init", "--data", made.data], check=True, capture_output=True, timeout=60)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def claire(server, tmp_path_factory):
    person = Terminal(tmp_path_factory.mktemp("claire") / "home", server.url)
    person.run("account", "create", "--link", server.add_professional("Claire Martin", "10", luhn("9999000007")))
    return person


@pytest.fixture(scope="module")
def letter(claire):
    return claire.run("invite", "--name", "Jean", "--subject", "Suivi", "--text", "Bonjour")


@pytest.fixture(scope="module")
def phone(server, tmp_path_factory, letter):
    person = Terminal(tmp_path_factory.mktemp("phone") / "home", server.url)
    words = ("account", "claim", "--link", letter["invitation_link"], "--name", "Téléphone")
    person.paper = person.run(*words)["recovery_code"]
    return person


@pytest.fixture(scope="module")
def laptop(server, tmp_path_factory, phone):
    person = Terminal(tmp_path_factory.mktemp("laptop") / "home", server.url)
    person.run("account", "recover", "--code", phone.paper, "--name", "Portable")
    return person


def named(person: Terminal, name: str) -> dict:
    (found,) = [each for each in person.run("account", "devices")["devices"] if each["name"] == name]
    return found


def test_every_way_in_is_listed_and_this_device_marked(phone, laptop):
    listed = laptop.run("account", "devices")["devices"]
    told = [(each["kind"], each["name"], each["state"], each["this"]) for each in listed]
    assert told == [
        ("device", "Téléphone", "active", False),
        ("recovery", "", "active", False),
        ("device", "Portable", "active", True),
    ]
    assert {each["id"] for each in listed if each["this"]} == {laptop.run("account", "show")["holder"]}
    assert named(phone, "Téléphone")["this"] is True


def test_what_may_not_be_revoked(phone, laptop):
    mine = named(laptop, "Portable")["id"]
    assert laptop.run("account", "revoke", mine, code=3)["error"]["code"] == "not_permitted"
    (paper,) = [each["id"] for each in laptop.run("account", "devices")["devices"] if each["kind"] == "recovery"]
    assert laptop.run("account", "revoke", paper, code=3)["error"]["code"] == "unlocker_missing"
    stranger = ("B" if mine[0] == "A" else "A") + mine[1:]
    assert laptop.run("account", "revoke", stranger, code=4)["error"]["code"] == "not_found"
    for nonsense in ("phone", mine[:-1], mine + "A"):
        assert laptop.run("account", "revoke", nonsense, code=2)["error"]["code"] == "usage"
    assert [each["state"] for each in laptop.run("account", "devices")["devices"]] == ["active"] * 3


def test_people_read_the_list_in_their_language(laptop):
    command = [BIN / "pli-bridge", "--home", laptop.home, "--server", laptop.url, "account", "devices"]
    done = subprocess.run(command, capture_output=True, timeout=60, text=True, env={"LC_ALL": "fr_FR.UTF-8"})
    assert done.returncode == 0
    assert "Portable  (cet appareil)" in done.stdout


def test_a_lost_phone_is_shut_out_and_the_others_go_on(claire, phone, laptop, letter):
    conversation = letter["conversation"]
    claire.run("send", conversation, "--text", "Avant")
    lost = named(laptop, "Téléphone")["id"]
    for _ in range(2):  # a repeat changes nothing
        assert laptop.run("account", "revoke", lost) == {"revoked": lost, "generation": 2}
    assert named(laptop, "Téléphone")["state"] == "revoked"
    assert len(laptop.run("account", "show")["holders"]) == 2

    assert phone.run("read", conversation, code=3)["error"]["code"] == "signature_refused"
    assert phone.run("send", conversation, "--text", "Faux", code=3)["error"]["code"] == "signature_refused"
    claire.run("send", conversation, "--text", "Après la perte")
    texts = [message["text"] for message in laptop.run("read", conversation)["messages"]]
    assert texts == ["Bonjour", "Avant", "Après la perte"]
    answer = laptop.run("send", conversation, "--text", "Merci")
    assert answer["state"] == "accepted"
    assert [m["text"] for m in claire.run("read", conversation)["messages"]][-1] == "Merci"
    phone.run("account", "revoke", named(laptop, "Portable")["id"], code=3)
    assert named(laptop, "Portable")["state"] == "active"
