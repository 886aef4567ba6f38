"""The whole story from terminals, through the public contract only."""

import hashlib
import json
import os
import struct
import time
import zlib
from pathlib import Path

LETTER = "Bonjour Monsieur Dupont, voici votre ordonnance. À bientôt."


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
