"""A patient refuses from a terminal: the real `pli-bridge` against a real `pli serve`."""

import itertools
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from tests.journeys.support import Server, Terminal, luhn
from tools.services import free_port

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server")
    made = Server(data / "data", data / "log", free_port(), extra=["--no-web"])
    made.lay_out()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def pair(server, tmp_path):
    """Claire, Jean, and the conversation of her letter to him."""
    claire, jean = Terminal(tmp_path / "claire", server.url), Terminal(tmp_path / "jean", server.url)
    link = server.add_professional("Claire Martin", "10", luhn(f"9999{next(NUMBERS):06}"))
    claire.account = claire.run("account", "create", "--link", link)["account"]
    letter = claire.run("invite", "--name", "Jean Dupont", "--subject", "Lettre", "--text", "Bonjour")
    jean.run("account", "claim", "--link", letter["invitation_link"])
    return claire, jean, letter["conversation"]


@pytest.mark.parametrize("way", ["--link", "--code"])
def test_whoever_wants_no_account_refuses_the_letter(server, tmp_path, way):
    claire, nobody = Terminal(tmp_path / "claire", server.url), Terminal(tmp_path / "nobody", server.url)
    claire.run(
        "account", "create", "--link", server.add_professional("Claire Martin", "10", luhn(f"9999{next(NUMBERS):06}"))
    )
    letter = claire.run("invite", "--name", "Jean Dupont", "--subject", "Lettre", "--text", "Bonjour")
    held = letter["invitation_link"] if way == "--link" else letter["invitation_code"]
    assert nobody.run("refuse", way, held) == {"refused": True, "conversation": letter["conversation"]}
    assert not nobody.home.exists() or not list(nobody.home.iterdir()), "nothing was made"
    told = claire.run("send", letter["conversation"], "--text", "Vous êtes là ?", code=3)
    assert told["error"]["code"] == "patient_left"
    assert nobody.run("account", "claim", way, held, code=3)["error"]["code"] == "invitation_refused"


def test_the_journal_is_told_and_pinned(pair, server):
    claire, jean, conversation = pair
    first = jean.run("journal")["entries"]
    assert [(each["kind"], each["name"]) for each in first][:1] == [("joined", "Claire Martin")]
    claire.run("read", conversation)
    jean.run("send", conversation, "--text", "Bonjour docteur")
    claire.run("read", conversation)
    told = jean.run("journal")["entries"]
    assert told[: len(first)] == first
    assert {"opened", "read"} <= {each["kind"] for each in told}
    assert {each["account"] for each in told} == {claire.account}
    assert [each["position"] for each in told] == list(range(1, len(told) + 1))
    assert jean.run("journal", "--newest", "1")["entries"] == told[-1:]
    assert claire.run("journal")["entries"] == []

    with closing(sqlite.connect(server.data / "pli.db")) as database, database:
        database.execute("UPDATE journal SET who = x'00' WHERE position = (SELECT max(position) FROM journal)")
    assert jean.run("journal", code=6)["error"]["code"] == "fork"
    with closing(sqlite.connect(server.data / "pli.db")) as database, database:
        database.execute("DELETE FROM journal")
        database.execute("DELETE FROM journal_end")
    assert jean.run("journal", code=6)["error"]["code"] == "rollback"


def test_block_unblock_leave(pair):
    claire, jean, conversation = pair
    assert jean.run("block", claire.account) == {"blocked": True, "account": claire.account}
    assert [each["account"] for each in jean.run("block")["blocks"]] == [claire.account]
    refused = claire.run("send", conversation, "--text", "Vous êtes là ?", code=3)
    assert refused["error"]["code"] == "patient_blocked"
    assert refused["error"]["hint"]
    assert claire.run("conversations")["conversations"][0]["refused"] == "patient_blocked"
    assert jean.run("unblock", claire.account)["blocked"] is False
    assert claire.run("send", conversation, "--text", "Merci")["state"] == "accepted"
    assert [each["text"] for each in jean.run("read", conversation)["messages"]][-1] == "Merci"

    assert jean.run("leave", conversation)["left"] is True
    assert claire.run("send", conversation, "--text", "Vous êtes là ?", code=3)["error"]["code"] == "patient_left"
    assert jean.run("read", conversation, code=4)["error"]["code"] == "not_found"
    assert jean.run("conversations")["conversations"] == []
    assert jean.run("block", "A" * 43, code=4)["error"]["code"] == "not_found"
    assert jean.run("block", "nobody", code=2)["error"]["code"] == "usage"
