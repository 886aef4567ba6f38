"""``pli-bridge mail`` as a person or a program uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.pdfs import needs_ghostscript, pdf

ROOT = Path(__file__).resolve().parents[2]
PATIENT = {
    "ins": "279035121518989",
    "birth_name": "CORSE",
    "given_names": "Anne",
    "birth_date": "1979-03-28",
    "sex": "F",
}
AUTHOR = {
    "id": "99700367909",
    "family_name": "MARTIN",
    "given_name": "Claire",
    "specialty": "G15_10/SM26",
    "institution": "Cabinet",
    "institution_id": "499700367909006",
    "facility": "SA07",
}


def run(*words) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bridges", "mail", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.fixture
def material(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    (tmp_path / "patient.json").write_text(json.dumps(PATIENT))
    (tmp_path / "author.json").write_text(json.dumps(AUTHOR))
    return tmp_path


def build(folder: Path, more=(), **changes) -> subprocess.CompletedProcess[str]:
    given = {
        "pdf": folder / "a.pdf",
        "patient": folder / "patient.json",
        "author": folder / "author.json",
        "type": "11488-4",
        "out": folder / "IHE_XDM.ZIP",
    } | changes
    return run(
        "xdm", "build", "--json", *(word for name, value in given.items() for word in (f"--{name}", value)), *more
    )


def test_an_archive_is_built_and_read(material):
    made = build(material)
    assert made.returncode == 0, made.stdout
    answer = json.loads(made.stdout)
    assert (answer["pdf_a_1"], answer["missing"]) == (False, [])
    assert answer["pdf_a"] in {"broken", "no_program"}  # nothing in it is a PDF but its first line
    shown = run("xdm", "read", material / "IHE_XDM.ZIP", "--json")
    assert shown.returncode == 0
    (card,) = json.loads(shown.stdout)["documents"]
    assert card["id"] == answer["document"]
    assert card["patient"]["birth_name"] == "CORSE"
    assert "CR ou fiche de consultation" in run("xdm", "read", material / "IHE_XDM.ZIP").stdout


@needs_ghostscript
def test_the_pdf_of_an_archive_is_made_pdf_a_1(material):
    (material / "a.pdf").write_bytes(pdf("Compte rendu"))
    converted = json.loads(build(material).stdout)
    assert (converted["pdf_a_1"], converted["pdf_a"]) == (True, "converted")
    shown = run("xdm", "read", material / "IHE_XDM.ZIP", "--json")
    assert json.loads(shown.stdout)["documents"][0]["pdf_a_1"]
    kept = json.loads(build(material, more=["--keep-pdf"]).stdout)
    assert (kept["pdf_a_1"], kept["pdf_a"]) == (False, "off")


@pytest.mark.parametrize(
    "change", [{"type": "none"}, {"pdf": "patient.json"}, {"patient": "author.json"}, {"pdf": "absent"}]
)
def test_a_wrong_input_ends_with_2_and_a_sentence(material, change):
    done = build(material, **{name: material / value if name != "type" else value for name, value in change.items()})
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["message"]
    assert not (material / "IHE_XDM.ZIP").exists()


def test_an_archive_kept_aside_ends_with_3(material):
    (material / "bad.zip").write_bytes(b"PK\x03\x04 no archive")
    done = run("xdm", "read", material / "bad.zip", "--json")
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (3, "archive_broken")


def test_a_mail_without_an_archive_is_none(material):
    (material / "a.eml").write_bytes(b"From: a@x.fr\r\n\r\nbonjour")
    done = run("xdm", "read", material / "a.eml", "--json")
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (3, "document_missing")


def test_parse_gives_a_line_a_file_and_ends_with_0(material):
    (material / "a.eml").write_bytes(b"From: a@x.fr\r\n\r\nbonjour")
    done = run("parse", material / "a.eml", material / "absent", material, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["accepted", "quarantined", "quarantined"]
    assert [line["reason"] for line in lines] == [None, "unreadable", "unreadable"]
    assert {"file", "outcome", "reason", "seconds", "peak_mib", "parts", "documents"} <= set(lines[0])


STRANGE = {"/dev/null": "empty", "/dev/zero": "too_large", "pipe": "empty", "loop": "unreadable", "empty": "empty"}


def test_files_that_never_end_or_never_begin_are_one_more_outcome(material):
    os.mkfifo(material / "pipe")  # nobody writes into it
    (material / "loop").symlink_to(material / "loop")
    (material / "empty").touch()
    done = run("parse", *(material / name for name in STRANGE), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["reason"] for line in done.stdout.splitlines()] == list(STRANGE.values())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("whitelist", "verify", "/dev/zero"), "list_too_large"),
        (("whitelist", "verify", "pipe"), "xml_broken"),
        (("xdm", "read", "/dev/zero"), "too_large"),
        (("xdm", "read", "pipe"), "empty"),
    ],
)
def test_such_files_end_the_other_commands_too(material, words, reason):
    os.mkfifo(material / "pipe")
    done = run(*words[:2], material / words[2], "--json")
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (3, reason)


def test_every_name_of_a_file_gives_a_line_of_json(material):
    """JSON is UTF-8 whatever the environment says; a name that is none comes back as the same bytes."""
    odd = os.fsdecode(bytes(material) + b'/b\xff\n"\xc3\xa9')
    Path(odd).write_bytes(b"From: a@x.fr\r\n\r\nbonjour")
    command = [sys.executable, "-m", "bridges", "mail", "parse", odd, "--json"]
    for settings in ({"PYTHONIOENCODING": "ascii:strict"}, {"PYTHONIOENCODING": "utf-8:strict"}, {"LC_ALL": "C"}):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, env={**os.environ, **settings})
        (line,) = done.stdout.decode("utf-8").splitlines()
        assert (done.returncode, done.stderr, json.loads(line)["file"]) == (0, b"", odd)


def test_a_file_is_told_of_by_the_name_it_was_given(material):
    (material / "a.eml").write_bytes(b"From: a@x.fr\r\n\r\nbonjour")
    names = ["./a.eml", f"{material}//a.eml", ""]
    done = subprocess.run(
        [sys.executable, "-m", "bridges", "mail", "parse", *names],
        cwd=material, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["file"], each["outcome"]) for each in told] == list(
        zip(names, ("accepted", "accepted", "quarantined"), strict=True)
    )


def test_a_file_that_was_not_read_to_its_end_has_no_digest():
    assert json.loads(run("parse", "/dev/zero").stdout)["digest"] == ""


UNSAID = "This file cannot be read or written. [file_unreadable: OSError]"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("parse /dev/null --json >&-", 0, ""),
        ("parse /dev/null --json >&- 2>&- <&-", 0, ""),
        ("parse --json >&-", 2, ""),
        ("parse /dev/null --json > /dev/full", 2, UNSAID),
        ("parse /dev/null --json > /dev/full 2>&1", 2, ""),
        ("parse --json | true", 0, ""),
    ],
)
def test_an_output_that_takes_nothing_is_no_traceback(words, code, said):
    command = f"set -o pipefail; {sys.executable} -m bridges mail {words}"
    settings = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["/bin/bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=120, env=settings
    )
    assert (done.returncode, done.stderr.partition("\n")[0]) == (code, said)
