"""``pli-bridge mail`` as a person or a program uses it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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


def build(folder: Path, **changes) -> subprocess.CompletedProcess[str]:
    given = {
        "pdf": folder / "a.pdf",
        "patient": folder / "patient.json",
        "author": folder / "author.json",
        "type": "11488-4",
        "out": folder / "IHE_XDM.ZIP",
    } | changes
    return run("xdm", "build", "--json", *(word for name, value in given.items() for word in (f"--{name}", value)))


def test_an_archive_is_built_and_read(material):
    made = build(material)
    assert made.returncode == 0, made.stdout
    answer = json.loads(made.stdout)
    assert (answer["pdf_a_1"], answer["missing"]) == (False, [])
    shown = run("xdm", "read", material / "IHE_XDM.ZIP", "--json")
    assert shown.returncode == 0
    (card,) = json.loads(shown.stdout)["documents"]
    assert card["id"] == answer["document"]
    assert card["patient"]["birth_name"] == "CORSE"
    assert "CR ou fiche de consultation" in run("xdm", "read", material / "IHE_XDM.ZIP").stdout


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


def test_parse_gives_a_line_a_file_and_ends_with_0(material):
    (material / "a.eml").write_bytes(b"From: a@x.fr\r\n\r\nbonjour")
    done = run("parse", material / "a.eml", material / "absent", material, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["outcome"] for line in lines] == ["accepted", "quarantined", "quarantined"]
    assert [line["reason"] for line in lines] == [None, "unreadable", "unreadable"]
    assert {"file", "outcome", "reason", "seconds", "peak_mib", "parts", "documents"} <= set(lines[0])
