"""The whole story from terminals: the real `pli-bridge` against a real `pli serve`, through the public contract only."""

import hashlib
import itertools
import json
import os
import struct
import subprocess
import threading
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from tests.journeys.support import BIN, Server, Terminal, free_port, luhn, write_pdf

NUMBERS = itertools.count(1)
LETTER = "Bonjour Monsieur Dupont, voici votre ordonnance. À bientôt."


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Let the many short programs share compiled modules, also where the environment forbids writing them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("compiled")))
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory, compiled):
    data = tmp_path_factory.mktemp("server")
    made = Server(data / "data", data / "log", free_port(), extra=["--no-web"])
    subprocess.run([BIN / "pli", "init", "--data", made.data], check=True, capture_output=True, timeout=60)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    return tmp_path_factory.mktemp("homes")


@pytest.fixture
def terminal(tmp_path, server):
    return lambda name, url=None: Terminal(tmp_path / "homes" / name, url or server.url)


@pytest.fixture(scope="module")
def professional(server, homes):
    """A professional with an account, and what the account's creation answered."""

    def make(name, profession="10"):
        number = next(NUMBERS)
        person = Terminal(homes / str(number), server.url)
        link = server.add_professional(name, profession, luhn(f"9999{number:06}"))
        person.paper = person.run("account", "create", "--link", link)
        return person

    return make


@pytest.fixture(scope="module")
def claire(professional):
    return professional("Claire Martin")


@pytest.fixture(scope="module")
def karim(professional):
    return professional("Karim Haddad", "21")


@pytest.fixture
def pdf(tmp_path):
    return write_pdf(tmp_path / "ordonnance.pdf", "ORDONNANCE (demo) Amlodipine 5 mg")


@pytest.fixture
def letter(claire, pdf):
    """Claire's first letter to Jean, with a document."""
    words = ("--name", "Jean Dupont", "--subject", "Votre ordonnance", "--text", LETTER, "--file", pdf)
    return claire.run("invite", *words)


@pytest.fixture
def jean(terminal, letter):
    person = terminal("jean")
    person.paper = person.run("account", "claim", "--link", letter["invitation_link"])
    return person


def write_png(path: Path) -> Path:
    """A real picture of 64 x 64 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + os.urandom(3 * 64) for _ in range(64))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return path


def sha256(path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def texts(answer) -> list[str]:
    return [message["text"] for message in answer["messages"]]


def test_a_letter_is_read_before_and_after_the_account_is_made(claire, letter, terminal, pdf, tmp_path):
    conversation = letter["conversation"]
    (waiting,) = claire.run("read", conversation, "--no-receipt")["messages"]
    assert (waiting["id"], waiting["text"], waiting["state"]) == (letter["message"], LETTER, "accepted")

    jean = terminal("jean")
    taken = jean.run("account", "claim", "--link", letter["invitation_link"])
    assert taken["conversations"] == [conversation]
    assert len(taken["recovery_code"]) == 34
    (listed,) = jean.run("conversations")["conversations"]
    assert (listed["id"], listed["subject"], listed["unread"], listed["reply"]) == (
        conversation,
        "Votre ordonnance",
        1,
        "open",
    )
    people = {
        member["name"]: (member["role"], member["profession"], member["verified"]) for member in listed["members"]
    }
    assert people == {"Claire Martin": ("owner", "10", True), "Jean Dupont": ("patient", None, False)}

    (unread,) = claire.run("read", conversation, "--no-receipt")["messages"]
    assert unread["read_by"] == []

    before = time.time() * 1000
    (message,) = jean.run("read", conversation, "--save", tmp_path / "saved")["messages"]
    assert message["author"]["name"] == "Claire Martin"
    assert message["author"]["verified"] is True
    assert message["author"]["role"] == "owner"
    (document,) = message["attachments"]
    assert (document["name"], document["media_type"]) == ("ordonnance.pdf", "application/pdf")
    assert document["size"] == pdf.stat().st_size
    assert document["sha256"] == sha256(document["path"]) == sha256(pdf)
    (again,) = jean.run("read", conversation, "--save", tmp_path / "saved")["messages"]
    assert again["attachments"][0]["path"] != document["path"], "nothing is overwritten"

    (seen,) = claire.run("read", conversation)["messages"]
    assert seen["state"] == "read"
    ((name, at),) = [(reader["name"], reader["at"]) for reader in seen["read_by"]]
    assert name == "Jean Dupont"
    assert before - 2000 <= at <= time.time() * 1000 + 2000


def test_no_receipt_leaves_no_trace_of_reading(claire, jean, letter):
    claire.run("send", letter["conversation"], "--text", "Une précision")
    assert claire.run("read", letter["conversation"])["messages"][-1]["state"] == "accepted"
    jean.run("read", letter["conversation"], "--no-receipt")
    first, second = claire.run("read", letter["conversation"])["messages"]
    assert first["read_by"] == second["read_by"] == []
    assert second["state"] == "delivered"


def test_the_typed_code_is_as_good_as_the_link_and_typing_errors_stay_here(letter, terminal):
    nowhere = terminal("nowhere", "http://127.0.0.1:9")
    code = letter["invitation_code"]
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    assert nowhere.run("account", "claim", "--code", wrong, code=2)["error"]["code"] == "bad_check"
    assert nowhere.run("account", "claim", "--code", "HELLO", code=2)["error"]["code"] == "bad_code"
    assert not nowhere.home.exists(), "nothing was made for a typing error"

    taken = terminal("jean").run("account", "claim", "--code", code.lower().replace("-", " "))
    assert taken["conversations"] == [letter["conversation"]]
    used = terminal("thief").run("account", "claim", "--code", code, code=3)
    assert used["error"]["code"] == "invitation_used"
    assert used["error"]["hint"]


def test_somebody_with_an_account_takes_another_invitation_with_it(claire, jean, letter):
    other = claire.run("invite", "--name", "Jean", "--subject", "Vaccins", "--text", "Pensez au rappel")
    taken = jean.run("account", "claim", "--code", other["invitation_code"])
    assert taken == {
        "account": jean.paper["account"],
        "recovery_code": None,
        "conversations": [other["conversation"]],
    }
    listed = {each["id"]: each["subject"] for each in jean.run("conversations")["conversations"]}
    assert listed == {letter["conversation"]: "Votre ordonnance", other["conversation"]: "Vaccins"}


def test_a_cut_link_is_a_usage_error_and_an_unknown_one_is_not_found(letter, terminal):
    link = letter["invitation_link"]
    assert terminal("a").run("account", "claim", "--link", link[:-3], code=2)["error"]["code"] == "bad_link"
    head, secret, inviter = link.rsplit(".", 2)
    other = f"{head}.{secret[::-1][1:]}A.{inviter}"
    assert terminal("b").run("account", "claim", "--link", other, code=4)["error"]["code"] == "invitation_unknown"


def test_an_invitation_of_another_inviter_is_an_alarm(letter, terminal):
    head, secret, _ = letter["invitation_link"].rsplit(".", 2)
    false = f"{head}.{secret}.{'A' * 22}"
    assert terminal("a").run("account", "claim", "--link", false, code=6)["error"]["code"] == "wrong_inviter"


def test_jean_answers_with_a_photo_and_claire_receives_it(claire, jean, letter, tmp_path):
    conversation = letter["conversation"]
    photo = write_png(tmp_path / "boîte.png")
    sent = jean.run("send", conversation, "--text", "Et avec le pamplemousse ?", "--file", photo)
    assert sent["state"] == "accepted"
    _, answer = claire.run("read", conversation, "--save", tmp_path / "saved")["messages"]
    assert (answer["id"], answer["seq"], answer["text"]) == (sent["message"], sent["seq"], "Et avec le pamplemousse ?")
    assert answer["author"] | {"account": None} == {
        "account": None,
        "name": "Jean Dupont",
        "role": "patient",
        "verified": False,
    }
    (picture,) = answer["attachments"]
    assert (picture["name"], picture["media_type"], picture["document"]) == ("boîte.png", "image/png", "image")
    assert sha256(picture["path"]) == sha256(photo)


def test_a_pharmacist_without_history_reads_only_what_follows(claire, jean, letter, karim):
    conversation = letter["conversation"]
    assert karim.run("read", conversation, code=4)["error"]["code"] == "not_found"
    added = claire.run("members", conversation, "add", karim.paper["account"])
    assert claire.run("members", conversation, "add", karim.paper["account"]) == added, "a repeat changes nothing"
    jean.run("send", conversation, "--text", "Bonjour à vous deux")
    answer = karim.run("read", conversation)
    assert texts(answer) == ["Bonjour à vous deux"]
    assert LETTER not in json.dumps(answer)
    karim.run("send", conversation, "--text", "Pas de pamplemousse.")
    advice = jean.run("read", conversation)["messages"][-1]
    assert (advice["text"], advice["author"]["name"], advice["author"]["verified"]) == (
        "Pas de pamplemousse.",
        "Karim Haddad",
        True,
    )


def test_a_pharmacist_with_history_reads_all_and_after_removal_nothing_new(claire, jean, letter, karim):
    conversation = letter["conversation"]
    added = claire.run("members", conversation, "add", karim.paper["account"], "--history")
    assert texts(karim.run("read", conversation)) == [LETTER]
    removed = claire.run("members", conversation, "remove", karim.paper["account"])
    assert removed["epoch"] == added["epoch"] + 1
    jean.run("send", conversation, "--text", "Entre nous")
    assert karim.run("read", conversation, code=4)["error"]["code"] == "not_found"
    assert conversation not in {each["id"] for each in karim.run("conversations")["conversations"]}
    assert {m["name"] for m in jean.run("members", conversation)["members"]} == {"Claire Martin", "Jean Dupont"}


def test_the_doctor_ends_and_an_ordinary_message_reopens(claire, jean, letter):
    conversation = letter["conversation"]
    assert jean.run("end", conversation, code=3)["error"]["code"] == "not_permitted"
    assert claire.run("end", conversation, "--text", "Bonne guérison")["ended"] is True
    refused = jean.run("send", conversation, "--text", "Encore une question", code=3)["error"]
    assert refused["code"] == "reply_not_allowed"
    assert refused["message"]
    assert "112" in refused["hint"]
    assert jean.run("conversations")["conversations"][0]["reply"] == "ended"
    claire.run("send", conversation, "--text", "Une dernière chose")
    jean.run("send", conversation, "--text", "Merci docteur")
    assert texts(claire.run("read", conversation)) == [LETTER, "Bonne guérison", "Une dernière chose", "Merci docteur"]


def test_no_reply_and_a_reply_until_a_date(claire, jean, letter):
    conversation = letter["conversation"]
    claire.run("send", conversation, "--text", "Pour information", "--no-reply")
    assert jean.run("send", conversation, "--text", "Ah", code=3)["error"]["code"] == "reply_not_allowed"
    claire.run("send", conversation, "--text", "Répondez vite", "--reply-until", "2099-12-31")
    jean.run("send", conversation, "--text", "Voilà")
    assert jean.run("conversations")["conversations"][0]["reply"] == "until"
    claire.run("send", conversation, "--text", "Trop tard", "--reply-until", "2001-01-01")
    assert jean.run("send", conversation, "--text", "Oh", code=3)["error"]["code"] == "reply_not_allowed"


def test_the_recovery_code_opens_everything_in_a_new_home(claire, jean, letter, terminal, pdf, tmp_path):
    conversation = letter["conversation"]
    jean.run("send", conversation, "--text", "Merci")
    recovered = terminal("jeans-new-phone")
    found = recovered.run("account", "recover", "--code", jean.paper["recovery_code"].lower())
    assert found == {"account": jean.paper["account"], "conversations": [conversation]}
    answer = recovered.run("read", conversation, "--save", tmp_path / "again")
    assert texts(answer) == [LETTER, "Merci"]
    assert sha256(answer["messages"][0]["attachments"][0]["path"]) == sha256(pdf)
    recovered.run("send", conversation, "--text", "De mon nouveau téléphone")
    assert texts(claire.run("read", conversation))[-1] == "De mon nouveau téléphone"
    assert texts(jean.run("read", conversation))[-1] == "De mon nouveau téléphone"


def test_a_wrong_recovery_code_is_told_before_the_network(jean, terminal):
    code = jean.paper["recovery_code"]
    nowhere = terminal("nowhere", "http://127.0.0.1:9")
    swapped = code[1] + code[0] + code[2:] if code[0] != code[1] else code[::-1]
    error = nowhere.run("account", "recover", "--code", swapped, code=2)["error"]
    assert error["code"] in {"bad_check", "bad_code"}
    assert nowhere.run("account", "recover", "--code", code, code=5)["error"]["code"] == "network"
    nobodys = "0000-0000-0000-0000-0000-0000-0000"
    assert nowhere.run("account", "recover", "--code", nobodys, code=2)["error"]["code"] == "bad_check"


def tampered(source: Path, target: Path, change) -> Path:
    """Write a copy of a ZIP; `change(name, content)` gives the new content, or None to leave the file out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def flip(prefix, at=-1):
    def change(name, content):
        if name.startswith(prefix):
            content = bytearray(content)
            content[at] ^= 1
            return bytes(content)
        return content

    return change


def leave_out(prefix):
    return lambda name, content: None if name.startswith(prefix) else content


TAMPERING = {
    "an envelope changed": flip("envelopes/"),
    "an envelope left out": leave_out("envelopes/0"),
    "a document changed": flip("documents/"),
    "a document left out": leave_out("documents/"),
    "a record changed": flip("epochs/1.record"),
    "the last record left out": leave_out("epochs/2.record"),
    "a chain changed": flip("accounts/"),
    "the words changed": lambda name, c: c.replace(b"Bonjour", b"Bonsoir") if name == "messages.json" else c,
    "the page changed": lambda name, c: c.replace(b"Bonjour", b"Bonsoir") if name == "messages.html" else c,
    "the keys changed": flip("keys.json", -10),
    "another registry key": lambda name, c: (
        json.dumps(json.loads(c) | {"registry_key": "A" * 43}).encode() if name == "export.json" else c
    ),
}


def test_an_export_holds_and_any_tampering_shows(claire, jean, letter, tmp_path):
    conversation = letter["conversation"]
    jean.run("read", conversation)
    jean.run("send", conversation, "--text", "Merci")
    claire.run("send", conversation, "--text", "Je vous en prie")
    out = tmp_path / "export.zip"
    made = claire.run("export", conversation, "--out", out)
    assert (made["messages"], made["documents"]) == (3, 1)
    assert claire.run("export", conversation, "--out", out, code=2)["error"]["code"] == "file_exists"

    nobody = Terminal(tmp_path / "no-home-at-all", "http://127.0.0.1:9")
    verified = nobody.run("verify", out)
    assert (verified["verified"], verified["messages"], verified["documents"]) == (True, 3, 1)
    assert not nobody.home.exists()
    for name, change in TAMPERING.items():
        copy = tampered(out, tmp_path / f"{name}.zip", change)
        assert nobody.run("verify", copy, code=6)["error"]["code"], name
    added = tampered(out, tmp_path / "added.zip", lambda _, content: content)
    with zipfile.ZipFile(added, "a") as archive:
        archive.writestr("documents/more.pdf", b"%PDF")
    nobody.run("verify", added, code=6)
    (tmp_path / "cut.zip").write_bytes(out.read_bytes()[:-500])
    nobody.run("verify", tmp_path / "cut.zip", code=6)
    nobody.run("verify", tmp_path / "not-there.zip", code=2)


def test_a_professional_writes_to_a_colleague_and_a_patient_may_not_start(claire, jean, professional):
    anne = professional("Anne Petit", "60")
    found = claire.run("contacts", "Petit")["contacts"]
    assert anne.paper["account"] in {each["account"] for each in found}
    started = claire.run("start", anne.paper["account"], "--subject", "Avis", "--text", "Qu'en pensez-vous ?")
    assert texts(anne.run("read", started["conversation"])) == ["Qu'en pensez-vous ?"]
    refused = jean.run("start", anne.paper["account"], "--subject", "Bonjour", "--text", "Bonjour", code=3)
    assert refused["error"]["code"] == "start_not_allowed"
    assert jean.run("contacts", "Petit", code=3)["error"]["code"] == "not_permitted"


def test_a_patient_may_write_first_to_a_pharmacy_that_accepts_it(jean, professional):
    karim = professional("Karim Haddad", "21")
    words = ("--subject", "Mon ordonnance", "--text", "Est-elle prête ?")
    assert jean.run("start", karim.paper["account"], *words, code=3)["error"]["code"] == "start_not_allowed"
    karim.run("account", "settings", "--accepts-patients", "yes")
    started = jean.run("start", karim.paper["account"], *words)
    assert texts(karim.run("read", started["conversation"])) == ["Est-elle prête ?"]
    karim.run("send", started["conversation"], "--text", "À 17 h")
    assert texts(jean.run("read", started["conversation"])) == ["Est-elle prête ?", "À 17 h"]


def test_an_unread_message_is_taken_back_and_a_read_one_stays(claire, jean, letter):
    conversation = letter["conversation"]
    wrong = claire.run("send", conversation, "--text", "Pour quelqu'un d'autre")
    claire.run("retract", conversation, wrong["message"])
    _, gone = jean.run("read", conversation)["messages"]
    assert (gone["type"], gone["text"], gone["state"]) == ("retracted", "", "retracted")
    refused = claire.run("retract", conversation, letter["message"], code=3)
    assert refused["error"]["code"] == "already_read"
    assert "quelqu'un" not in json.dumps(claire.run("read", conversation))


def test_watch_tells_what_arrives_live_and_in_order(claire, jean, letter):
    conversation = letter["conversation"]
    command = [BIN / "pli-bridge", "--home", claire.home, "--json", "watch", "--seconds", "60"]
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen: list[dict] = []
    came = threading.Condition()

    def listen() -> None:
        for line in watching.stdout:
            with came:
                seen.append(json.loads(line))
                came.notify_all()

    threading.Thread(target=listen, daemon=True).start()

    def wait_for(wanted) -> dict:
        with came:
            assert came.wait_for(lambda: any(wanted(e) for e in seen), timeout=30), seen
            return next(e for e in seen if wanted(e))

    try:
        jean.run("read", conversation)
        # Her home has lived through other tests, so what comes first may be of another conversation.
        read = wait_for(lambda e: e["type"] == "receipt" and e["conversation"] == conversation)
        assert read["by"]["name"] == "Jean Dupont"
        started = time.monotonic()
        jean.run("send", conversation, "--text", "Merci")
        wait_for(lambda e: e["type"] == "message" and e["message"]["text"] == "Merci")
        assert time.monotonic() - started < 15, "announced, not found by looking now and then"
        sent = claire.run("send", conversation, "--text", "Pendant que l'on suit")
        wait_for(lambda e: e.get("message", {}).get("id") == sent["message"])
        assert [e["position"] for e in seen if "position" in e] == sorted(
            e["position"] for e in seen if "position" in e
        )
    finally:
        watching.terminate()
        watching.wait(10)
        watching.stdout.close()


def test_unsendable_files_are_refused_with_a_sentence_and_nothing_leaves(claire, letter, tmp_path):
    conversation = letter["conversation"]
    empty = tmp_path / "vide.pdf"
    empty.touch()
    huge = tmp_path / "radio.dcm"
    with huge.open("wb") as file:
        file.truncate(104_857_601)
    cases = [(empty, 2, "file_empty"), (huge, 3, "attachment_too_large"), (tmp_path / "non", 2, "file_unreadable")]
    for path, code, name in cases:
        error = claire.run("send", conversation, "--text", "Voici", "--file", path, code=code)["error"]
        assert error["code"] == name
        assert error["message"].endswith(".")
    long = claire.run("send", conversation, "--text", "é" * 40_000, code=3)["error"]
    assert long["code"] == "envelope_too_large"
    assert claire.run("send", conversation, code=2)["error"]["code"] == "usage"
    assert len(claire.run("read", conversation)["messages"]) == 1


def test_a_name_made_by_an_attacker_stays_in_the_folder(claire, jean, letter, tmp_path):
    trap = tmp_path / "..\u202efdp.exe"
    trap.write_bytes(b"%PDF-1.4 trap")
    claire.run("send", letter["conversation"], "--file", trap)
    folder = tmp_path / "deep" / "saved"
    jean.run("read", letter["conversation"], "--save", folder)
    assert sorted(p.name for p in folder.iterdir()) == ["fdp.exe", "ordonnance.pdf"]


@pytest.mark.parametrize(("language", "word"), [("fr_FR.UTF-8", "envoyé"), ("en_GB.UTF-8", "sent"), ("C", "sent")])
def test_text_answers_are_for_people_in_their_language(claire, letter, language, word):
    environment = {**os.environ, "LANG": language, "LC_ALL": language, "PYTHONUTF8": "1"}
    command = [BIN / "pli-bridge", "--home", claire.home, "read", letter["conversation"]]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert all(each in shown for each in (word, LETTER, "Claire Martin ✓", "ordonnance.pdf"))
    refused = subprocess.run([*command[:-1], "nonsense"], capture_output=True, text=True, env=environment, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "usage" in refused.stderr
