"""A server that lies: its database and its files are changed under it, and the people at their terminals notice."""

import contextlib

import pytest
from pysqlite3 import dbapi2 as sqlite3

from tests.journeys.support import Server, Terminal, luhn, write_pdf
from tools.services import free_port


class Liar(Server):
    """A server whose operator changes what it keeps."""

    @contextlib.contextmanager
    def tampered(self):
        self.stop()
        (path,) = [
            each for each in self.data.rglob("*") if each.is_file() and each.read_bytes()[:15] == b"SQLite format 3"
        ]
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            yield database
        self.start()


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    folder = tmp_path_factory.mktemp("liar")
    made = Liar(folder / "data", folder / "log", free_port(), extra=["--no-web"])
    made.lay_out()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def claire(server, tmp_path_factory):
    person = Terminal(tmp_path_factory.mktemp("claire") / "home", server.url)
    link = server.add_professional("Claire Martin", "10", luhn("9999000001"))
    person.run("account", "create", "--link", link)
    return person


@pytest.fixture
def letter(claire, tmp_path):
    document = write_pdf(tmp_path / "ordonnance.pdf", "Amlodipine 5 mg")
    with document.open("ab") as file:
        file.write(b"%" * 200_000)  # several sealed segments: the first ones are good when the last is not
    words = ("--name", "Jean", "--subject", "Suivi", "--text", "Bonjour", "--file", document)
    return claire.run("invite", *words)


@pytest.fixture
def jean(server, tmp_path, letter):
    person = Terminal(tmp_path / "jean", server.url)
    person.run("account", "claim", "--link", letter["invitation_link"])
    assert len(person.run("read", letter["conversation"])["messages"]) == 1
    return person


def blob(text: str) -> bytes:
    import base64  # noqa: PLC0415

    return base64.urlsafe_b64decode(text + "=")


def alarmed(person: Terminal, *words: object) -> str:
    return person.run(*words, code=6)["error"]["code"]


def test_a_right_to_answer_that_nobody_signed(server, claire, jean, letter):
    conversation = letter["conversation"]
    claire.run("end", conversation)
    with server.tampered() as database:
        database.execute("UPDATE conversation SET reply = 'open' WHERE id = ?", (blob(conversation),))
    assert alarmed(jean, "send", conversation, "--text", "Je peux ?") == "mirror_mismatch"
    assert alarmed(jean, "read", conversation) == "mirror_mismatch"
    with server.tampered() as database:
        database.execute("UPDATE conversation SET reply = 'ended' WHERE id = ?", (blob(conversation),))
    assert "Je peux ?" not in str(claire.run("read", conversation)), "nothing was sent on the alarm"


def test_a_changed_envelope_and_the_others_are_still_shown(server, claire, jean, letter):
    conversation = letter["conversation"]
    claire.run("send", conversation, "--text", "Deux comprimés")
    claire.run("send", conversation, "--text", "Bonne journée")
    with server.tampered() as database:
        query = "SELECT seq, body FROM event WHERE conversation = ? AND kind = 'message' ORDER BY seq DESC LIMIT 2"
        _, (seq, body) = database.execute(query, (blob(conversation),)).fetchall()
        changed = bytes(body[:-1]) + bytes([body[-1] ^ 1])
        database.execute(
            "UPDATE event SET body = ? WHERE conversation = ? AND seq = ?", (changed, blob(conversation), seq)
        )
    answer = jean.run("read", conversation, code=6)
    assert answer["error"]["code"] == "open_failed"
    assert [m["text"] for m in answer["messages"]] == ["Bonjour", "", "Bonne journée"]
    assert answer["messages"][1]["warning"] == "open_failed"


def test_a_withheld_message_even_when_the_numbers_are_mended(server, claire, jean, letter):
    conversation = letter["conversation"]
    gone = claire.run("send", conversation, "--text", "Arrêtez le traitement")
    claire.run("send", conversation, "--text", "Bonne journée")
    with server.tampered() as database:
        where = (blob(conversation), gone["seq"])
        database.execute("DELETE FROM event WHERE conversation = ? AND seq = ?", where)
        database.execute("UPDATE event SET seq = seq - 1 WHERE conversation = ? AND seq > ?", where)
        database.execute("DELETE FROM feed WHERE conversation = ? AND seq = ?", where)
        database.execute("UPDATE feed SET seq = seq - 1 WHERE conversation = ? AND seq > ?", where)
        database.execute("UPDATE conversation SET last_seq = last_seq - 1 WHERE id = ?", where[:1])
    assert alarmed(jean, "read", conversation) == "withheld"


def test_a_gap_in_the_log(server, claire, jean, letter):
    conversation = letter["conversation"]
    gone = claire.run("send", conversation, "--text", "Arrêtez le traitement")
    claire.run("send", conversation, "--text", "Bonne journée")
    with server.tampered() as database:
        where = (blob(conversation), gone["seq"])
        database.execute("DELETE FROM event WHERE conversation = ? AND seq = ?", where)
        database.execute("DELETE FROM feed WHERE conversation = ? AND seq = ?", where)
    assert alarmed(jean, "read", conversation) == "withheld"


def test_a_past_shorter_than_what_was_seen(server, claire, jean, letter):
    conversation = letter["conversation"]
    claire.run("send", conversation, "--text", "Arrêtez le traitement")
    assert len(jean.run("read", conversation)["messages"]) == 2
    with server.tampered() as database:
        where = (blob(conversation),)
        database.execute("DELETE FROM event WHERE conversation = ? AND seq > 3", where)
        database.execute("DELETE FROM feed WHERE conversation = ? AND seq > 3", where)
        database.execute("UPDATE conversation SET last_seq = 3 WHERE id = ?", where)
    assert alarmed(jean, "read", conversation) == "rollback"
    assert alarmed(jean, "send", conversation, "--text", "Toujours là ?") == "rollback"


def test_another_record_of_the_members(server, jean, letter):
    conversation = letter["conversation"]
    with server.tampered() as database:
        where = (blob(conversation),)
        (record,) = database.execute("SELECT record FROM epoch WHERE conversation = ? AND epoch = 2", where).fetchone()
        changed = bytes(record[:-1]) + bytes([record[-1] ^ 1])
        database.execute("UPDATE epoch SET record = ? WHERE conversation = ? AND epoch = 2", (changed, *where))
    assert alarmed(jean, "send", conversation, "--text", "Bonjour") == "fork"
    listed = jean.run("conversations", code=6)
    assert (listed["error"]["code"], listed["conversations"][0]["alarm"]) == ("fork", "fork")


def bring_again(server: Liar, conversation: str, what: str, seq: int) -> None:
    """Put the first event of a kind at another place too."""
    with server.tampered() as database:
        database.execute("DROP INDEX IF EXISTS ix_event_envelope_id")
        columns = "type, author, epoch, kind, envelope_id, body, detail"
        first = f"SELECT {columns} FROM event WHERE conversation = ? AND {what} ORDER BY seq LIMIT 1"
        (found,) = database.execute(first, (blob(conversation),)).fetchall()
        query = f"UPDATE event SET ({columns}) = (?, ?, ?, ?, ?, ?, ?) WHERE conversation = ? AND seq = ?"
        database.execute(query, (*found, blob(conversation), seq))


def test_an_old_message_that_comes_again_counts_once(server, claire, jean, letter):
    conversation = letter["conversation"]
    claire.run("send", conversation, "--text", "Un seul, finalement", "--no-reply")
    filler = claire.run("send", conversation, "--text", "Bonne journée", "--no-reply")
    bring_again(server, conversation, "kind = 'message'", filler["seq"])  # it said that one may answer
    assert [m["text"] for m in jean.run("read", conversation)["messages"]] == ["Bonjour", "Un seul, finalement"]
    claire.run("send", conversation, "--text", "À demain", "--no-reply")
    assert [m["text"] for m in jean.run("read", conversation)["messages"]][2:] == ["À demain"]


def test_an_epoch_that_begins_again(server, claire, jean, letter):
    conversation = letter["conversation"]
    filler = claire.run("send", conversation, "--text", "Bonne journée")
    bring_again(server, conversation, "type = 'epoch'", filler["seq"])
    assert alarmed(jean, "read", conversation) == "fork"


def test_one_false_conversation_leaves_the_others_alone(server, claire, jean, letter):
    false = letter["conversation"]
    sound = claire.run("invite", "--name", "Jean", "--subject", "Autre", "--text", "Bonsoir")
    assert jean.run("account", "claim", "--link", sound["invitation_link"])["conversations"] == [sound["conversation"]]
    claire.run("send", false, "--text", "Deux comprimés")
    with server.tampered() as database:
        where = (blob(false),)
        database.execute(
            "UPDATE event SET seq = seq + 1 WHERE conversation = ? AND kind = 'message' AND seq > 3", where
        )
    assert alarmed(jean, "read", false) == "withheld"
    assert [m["text"] for m in jean.run("read", sound["conversation"])["messages"]] == ["Bonsoir"]


def test_a_changed_document_is_not_written(server, jean, letter, tmp_path):
    for path in (server.data).rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if content[:1] == b"\x28" and len(content) > 56 and "sqlite" not in path.name:  # the header of a sealed file
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    saved = tmp_path / "saved"
    assert alarmed(jean, "read", letter["conversation"], "--save", saved) == "open_failed"
    assert not saved.exists() or not list(saved.iterdir())
