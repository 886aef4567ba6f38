"""Messages whose term is over, at the terminals of people: said plainly, verified as far as there is something."""

import json
import os
import zipfile

import pytest

from crypto.codec import unb64
from server.jobs.work import Worker
from tests.fakes.ageing import DAY, ageing
from tests.journeys.support import Terminal, luhn, write_pdf

TERM = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    async def rest(_: Worker) -> None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "work_for_ever", rest)
        with ageing(tmp_path_factory.mktemp("ageing") / "data", message_days=TERM, web=False, upload_hours=1) as made:
            yield made


@pytest.fixture(scope="module")
def claire(server, tmp_path_factory):
    person = Terminal(tmp_path_factory.mktemp("claire") / "home", server.url)
    link = server.add_professional("Claire Martin", "10", luhn("9999000001"))
    person.run("account", "create", "--link", link)
    return person


def reader(server, claire, folder, *words):
    """A patient who has read Claire's first letter; the conversation."""
    letter = claire.run("invite", "--name", "Jean Dupont", "--subject", "Suivi", "--text", "Bonjour", *words)
    jean = Terminal(folder / "jean", server.url)
    jean.paper = jean.run("account", "claim", "--link", letter["invitation_link"])
    assert len(jean.run("read", letter["conversation"])["messages"]) == 1
    return jean, letter["conversation"]


@pytest.fixture(scope="module")
def aged(server, claire, tmp_path_factory):
    """A conversation with two messages of long ago (one carries a document), one of today, and the term is over.

    Jean has read the old ones in their time.
    """
    folder = tmp_path_factory.mktemp("aged")
    server.days_ago(100)
    jean, conversation = reader(server, claire, folder, "--file", write_pdf(folder / "ancien.pdf", "Amlodipine 5 mg"))
    claire.run("send", conversation, "--text", "Deux comprimés", "--no-reply")
    assert len(jean.run("read", conversation)["messages"]) == 2
    server.days_ago(0)
    claire.run("send", conversation, "--text", "Revenez en mars")
    server.work("messages")
    server.work("uploads")
    return conversation, jean


def texts(answer):
    return [each["text"] for each in answer["messages"]]


def other_device(person, home, server):
    """The same person on a second device."""
    fresh = Terminal(home, server.url)
    person.paper |= fresh.run("account", "recover", "--code", person.paper["recovery_code"])
    return fresh


def test_who_has_read_keeps_and_is_told_from_when_on_the_server_has_nothing(aged, server):
    conversation, jean = aged
    answer = jean.run("read", conversation)
    assert texts(answer)[:3] == ["Bonjour", "Deux comprimés", "Revenez en mars"]
    assert (answer["trimmed"]["missing"], answer["trimmed"]["from"] > 1) == (0, True)
    assert answer["trimmed"]["before"] <= server.clock.now() - TERM * DAY
    assert jean.run("send", conversation, "--text", "Merci")["state"] == "accepted"


def test_a_new_device_joins_without_alarm(aged, server, claire, tmp_path):
    conversation, jean = aged
    fresh = other_device(jean, tmp_path / "second", server)
    answer = fresh.run("read", conversation)
    assert texts(answer)[0] == "Revenez en mars"
    assert answer["trimmed"]["missing"] == 2
    assert fresh.run("send", conversation, "--text", "Bien reçu")["state"] == "accepted"
    assert texts(claire.run("read", conversation))[-1] == "Bien reçu", "its parents are believed by the others"


def test_an_export_says_where_it_begins_and_the_rest_verifies(aged, server, tmp_path):
    conversation, jean = aged
    fresh = other_device(jean, tmp_path / "second", server)
    for person, first, missing, documents in ((jean, "Bonjour", 0, 1), (fresh, "Revenez en mars", 2, 0)):
        file = person.home.parent / "export.zip"
        made = person.run("export", conversation, "--out", file)
        assert (made["trimmed"]["missing"], made["trimmed"]["documents_missing"]) == (missing, documents)
        found = person.run("verify", file)
        assert (found["verified"], found["messages"], found["trimmed"]) == (True, made["messages"], made["trimmed"])
        with zipfile.ZipFile(file) as archive:
            assert json.loads(archive.read("messages.json"))["messages"][0]["text"] == first


def test_an_export_from_which_something_younger_was_taken_does_not_verify(aged, tmp_path):
    conversation, jean = aged
    whole, cut = tmp_path / "whole.zip", tmp_path / "cut.zip"
    jean.run("export", conversation, "--out", whole)
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(cut, "w") as after:
        envelopes = sorted(name for name in before.namelist() if name.startswith("envelopes/"))
        said = json.loads(before.read("trimmed.json"))
        young = next(name for name in envelopes if int(name[10:18]) >= said["from"])
        said["places"].append({"seq": int(young[10:18]), "id": young[19:62], "kind": "message"})
        for name in before.namelist():
            if name != young:
                after.writestr(name, json.dumps(said) if name == "trimmed.json" else before.read(name))
    assert jean.run("verify", cut, code=6)["error"]["code"] == "withheld"


# --- a server that lies ---------------------------------------------------------------------------------------------


def alarm(person, conversation):
    return person.run("read", conversation, code=6)["error"]["code"]


def lie(server, conversation, *, first, before, at=None, told=True):
    """Shorten the log of a conversation by hand."""
    where = unb64(conversation)
    if told:
        detail = json.dumps({"from": first, "before": before})
        server.tamper(
            "INSERT INTO event (conversation, seq, type, at, author, epoch, detail)"
            " SELECT id, last_seq + 1, 'trimmed', ?, x'', 1, ? FROM conversation WHERE id = ?",
            at, detail, where,
        )  # fmt: skip
        server.tamper("UPDATE conversation SET last_seq = last_seq + 1 WHERE id = ?", where)
    server.tamper("INSERT INTO log_beginning VALUES (?, ?, ?, ?)", where, first, before, first)
    sql = "UPDATE event SET body = NULL, detail = NULL WHERE type = 'envelope' AND conversation = ? AND seq < ?"
    server.tamper(sql, where, first)


@pytest.fixture
def unread(server, claire, tmp_path):
    """A conversation of today that Jean has read, and the seq of a message that he has not."""
    jean, conversation = reader(server, claire, tmp_path)
    return conversation, jean, claire.run("send", conversation, "--text", "Arrêtez le traitement")["seq"]


def test_bytes_that_go_without_a_word(server, unread):
    conversation, jean, seq = unread
    server.tamper("UPDATE event SET body = NULL WHERE conversation = ? AND seq = ?", unb64(conversation), seq)
    assert alarm(jean, conversation) == "withheld"
    assert jean.run("send", conversation, "--text", "Bonjour", code=6)["error"]["code"] == "withheld"


def test_a_beginning_that_stands_in_no_log(server, unread):
    conversation, jean, seq = unread
    lie(server, conversation, first=seq + 1, before=server.clock.now() - 100 * DAY, told=False)
    assert alarm(jean, conversation) == "withheld"


@pytest.mark.parametrize(
    ("days", "ahead"),
    [
        pytest.param(0, 0, id="a term of nothing"),
        pytest.param(20, 0, id="shorter than any term"),
        pytest.param(60, 0, id="older than what the reader has before it"),
        pytest.param(-300, 365, id="a clock in the future"),
    ],
)
def test_a_new_message_is_not_hidden_by_calling_it_old(server, unread, days, ahead):
    conversation, jean, seq = unread
    now = server.clock.now()
    lie(server, conversation, first=seq + 1, before=now - days * DAY, at=now + ahead * DAY)
    assert alarm(jean, conversation) == "withheld"


def test_a_message_that_others_name_is_not_hidden_by_leaving_its_place_out(server, aged, claire, tmp_path):
    """The message of today names what its author had seen: one of those stands nowhere any more."""
    conversation, jean = aged
    where = unb64(conversation)
    named = "SELECT envelope_id FROM event WHERE conversation = ? AND kind = 'receipt' AND body IS NULL"
    old, other = server.query(named, where)[-1][0], os.urandom(32)
    rename = "UPDATE event SET envelope_id = ? WHERE conversation = ? AND envelope_id = ?"
    server.tamper(rename, other, where, old)
    try:
        fresh = other_device(jean, tmp_path / "second", server)
        assert alarm(fresh, conversation) == "withheld"
    finally:
        server.tamper(rename, old, where, other)


def test_what_was_told_is_not_taken_back(server, aged):
    conversation, jean = aged
    where = unb64(conversation)
    assert jean.run("read", conversation)["trimmed"]
    [row] = server.query("SELECT * FROM log_beginning WHERE conversation = ?", where)
    server.tamper("DELETE FROM log_beginning WHERE conversation = ?", where)
    try:
        assert alarm(jean, conversation) == "withheld"
    finally:
        server.tamper("INSERT INTO log_beginning VALUES (?, ?, ?, ?)", *row)
