"""Exports that prove themselves, and what the rules of conversation allow, from terminals."""

import json
import os
import subprocess
import threading
import time
import zipfile
from pathlib import Path

import pytest

from tests.journeys.support import BIN, Terminal

LETTER = "Bonjour Monsieur Dupont, voici votre ordonnance. À bientôt."


def texts(answer) -> list[str]:
    return [message["text"] for message in answer["messages"]]


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
        jean.run("send", conversation, "--text", "Merci")
        started = time.monotonic()
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
