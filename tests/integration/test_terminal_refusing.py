"""A patient refuses from a terminal: the real `pli-bridge` against a real `pli serve`."""

import subprocess

import pytest

from tests.journeys.support import BIN, Server, Terminal, free_port, luhn


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server")
    made = Server(data / "data", data / "log", free_port(), extra=["--no-web"])
    subprocess.run([BIN / "pli", "init", "--data", made.data], check=True, capture_output=True, timeout=60)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def pair(server, tmp_path_factory):
    """Claire, Jean, and the conversation of her letter to him."""
    homes = tmp_path_factory.mktemp("homes")
    claire, jean = Terminal(homes / "claire", server.url), Terminal(homes / "jean", server.url)
    link = server.add_professional("Claire Martin", "10", luhn("9999000001"))
    claire.account = claire.run("account", "create", "--link", link)["account"]
    letter = claire.run("invite", "--name", "Jean Dupont", "--subject", "Lettre", "--text", "Bonjour")
    jean.run("account", "claim", "--link", letter["invitation_link"])
    return claire, jean, letter["conversation"]


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
    assert [each["text"] for each in jean.run("read", conversation)["messages"]] == ["Bonjour", "Merci"]

    assert jean.run("leave", conversation)["left"] is True
    assert claire.run("send", conversation, "--text", "Vous êtes là ?", code=3)["error"]["code"] == "patient_left"
    assert jean.run("read", conversation, code=4)["error"]["code"] == "not_found"
    assert jean.run("conversations")["conversations"] == []
    assert jean.run("block", "A" * 43, code=4)["error"]["code"] == "not_found"
    assert jean.run("block", "nobody", code=2)["error"]["code"] == "usage"
