"""The command line of `pli-bridge`: what it takes, how it refuses."""

import json

import pytest

from bridges.__main__ import main
from bridges.kit.errors import EXITS, UsageError, exit_code
from bridges.kit.words import SENTENCES, explain
from bridges.terminal.arguments import parse
from bridges.terminal.entry import HOLDER, read_id
from bridges.terminal.talk import read_time
from crypto.codec import b64

DASHED = b64(b"\xfb" * 32)


def test_ids_that_begin_with_a_dash_are_ids():
    assert DASHED.startswith("-")
    args = parse(["members", DASHED, "add", DASHED, "--history"])
    assert (read_id(args.conversation), read_id(args.account), args.history) == (b"\xfb" * 32, b"\xfb" * 32, True)
    assert read_id(parse(["send", DASHED, "--text", "x"]).conversation) == b"\xfb" * 32


def test_a_device_id_that_begins_with_a_dash_is_an_id():
    dashed = b64(b"\xfb" * 16)
    assert read_id(parse(["account", "revoke", dashed]).device, HOLDER) == b"\xfb" * 16
    doubly = b64(b"\xfb\xef\xbe" + b"\0" * 13)
    assert doubly.startswith("----A")
    assert read_id(parse(["account", "revoke", doubly]).device, HOLDER)[:3] == b"\xfb\xef\xbe"
    assert parse(["account", "settings", "--accepts-patients", "yes"]).accepts_patients == "yes"


@pytest.mark.parametrize(
    "argv",
    [
        ["--home", "h", "--server", "http://s", "--json", "read", "c"],
        ["read", "--home", "h", "c", "--server", "http://s", "--json"],
        ["read", "c", "--json", "--server", "http://s", "--home", "h"],
    ],
)
def test_options_stand_before_or_after_the_command(argv):
    args = parse(argv)
    assert (str(args.home), args.server, args.json, args.conversation) == ("h", "http://s", True, "c")


def test_what_is_given_before_the_command_is_not_undone_by_it():
    args = parse(["--home", "h", "--json", "members", "c", "add", "a"])
    assert (str(args.home), args.json) == ("h", True)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonsense"],
        ["account"],
        ["account", "claim"],
        ["account", "revoke"],
        ["account", "claim", "--link", "l", "--code", "c"],
        ["invite", "--name", "N"],
        ["send"],
        ["send", "c", "--no-reply", "--reply-until", "2027-01-01"],
        ["watch", "--seconds", "0"],
        ["watch", "--seconds", "soon"],
        ["invite", "--name", "N", "--subject", "S", "--days", "1000"],
        ["export", "c"],
    ],
)
def test_a_wrong_command_ends_with_2_and_says_so_in_json(argv, capsys):
    assert main([*argv, "--json"]) == 2
    said = capsys.readouterr()
    error = json.loads(said.out)["error"]
    assert error["code"] == "usage"
    assert error["message"]
    assert "--help" in error["hint"]
    assert said.err == ""


def test_without_json_people_are_told_on_stderr(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    assert main(["read"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "pas complète" in said.err


def test_a_home_without_an_account_is_told_before_the_network(tmp_path, capsys):
    assert main(["--home", str(tmp_path), "--json", "conversations"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "home_empty"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("server", ["ftp://x", "x", "http://", "http://x/?q", "http://x/#f"])
def test_a_server_that_is_no_web_address(tmp_path, capsys, server):
    argv = ["--home", str(tmp_path / "h"), "--server", server, "--json", "account", "create", "--link", "x"]
    assert main(argv) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


@pytest.mark.parametrize("link", ["", "http://x/a", "http://x/a#", "http://x/a#1.short", "http://x/a#" + "é" * 43])
def test_a_cut_activation_link(tmp_path, capsys, link):
    argv = [
        "--home",
        str(tmp_path / "h"),
        "--server",
        "http://127.0.0.1:9",
        "--json",
        "account",
        "create",
        "--link",
        link,
    ]
    assert main(argv) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "bad_link"


def test_every_code_has_one_exit_and_sentences_in_two_languages(monkeypatch):
    assert set(EXITS.values()) == {2, 3, 4, 5}
    assert exit_code("forged_box") == exit_code("never heard of") == 6
    for code in EXITS:
        assert code in SENTENCES, code
    for language in ("fr", "en"):
        monkeypatch.setenv("LC_ALL", language)
        for code in (*EXITS, "forged_box"):
            sentence = explain(code, of_protocol=True)
            assert sentence.message.endswith("."), code
            assert sentence.hint, code


def test_a_day_lasts_until_its_end(monkeypatch):
    assert read_time("2027-01-02") - read_time("2027-01-01") == 86_400_000
    assert read_time("2027-01-01T00:00:00+00:00") == 1_798_761_600_000
    with pytest.raises(UsageError):
        read_time("tomorrow")
