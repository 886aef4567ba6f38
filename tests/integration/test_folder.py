"""`pli-bridge folder` as other software uses it: files in, files out, against a real server."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from bridges.folder.config import load
from bridges.folder.drop import Drop
from bridges.folder.journal import Journal
from bridges.folder.process import opened
from bridges.kit.client import client
from bridges.kit.home import Home
from bridges.mail.patients import Patients
from bridges.mail.threads import Threads
from tests.journeys.support import BIN, Server, Terminal, luhn, write_pdf
from tools.services import free_port

JEAN = {"ins": "279035121518989", "birth_name": "DUPONT", "first_name": "Jean", "birth_date": "1979-03-28", "sex": "F"}
TRAITS = {"ins": JEAN["ins"], "birth_name": "DUPONT", "given_names": "Jean", "birth_date": "1979-03-28", "sex": "F"}
AUTHOR = {
    "id": "99700367909",
    "family_name": "MARTIN",
    "given_name": "Claire",
    "specialty": "G15_10/SM26",
    "institution": "Cabinet",
    "institution_id": "499700367909006",
    "facility": "SA07",
}


class Folder:
    """A drop folder with its bridge, which looks when it is told to."""

    def __init__(self, base: Path, claire: Terminal) -> None:
        self.path, self.claire, self.config = base / "drop", claire, base / "folder.toml"
        self.path.mkdir(parents=True)
        state = f'home = "{claire.home}"\nstate = "{base / "state"}"\nfolder = "{self.path}"\n'
        self.config.write_text(f'{state}server = "{claire.url}"\nowner = "Dr Martin"\nsettle = 0\nevery = 0.05\n')

    def command(self) -> list[str]:
        return [str(BIN / "pli-bridge"), "folder", "--config", str(self.config)]

    def look(self) -> None:
        done = subprocess.run([*self.command(), "--once"], capture_output=True, timeout=120)
        assert done.returncode == 0, (done.stdout, done.stderr)

    def put(self, name: str, octets: bytes | str | dict) -> None:
        octets = json.dumps(octets) if isinstance(octets, dict) else octets
        fresh = self.path / f".{name}.tmp"
        fresh.write_bytes(octets.encode() if isinstance(octets, str) else octets)
        fresh.rename(self.path / name)

    def told(self, pattern: str) -> list[dict]:
        return [json.loads(path.read_text()) for path in sorted(self.path.glob(pattern))]

    def left(self) -> list[str]:
        return [each.name for each in self.path.iterdir() if each.is_file()]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("server")
    made = Server(data / "data", data / "log", free_port(), extra=["--no-web"])
    made.lay_out()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def claire(server, tmp_path_factory):
    made = Terminal(tmp_path_factory.mktemp("claire") / "home", server.url)
    made.run("account", "create", "--link", server.add_professional("Claire Martin", "10", luhn("8888000001")))
    return made


@pytest.fixture
def folder(claire, tmp_path):
    return Folder(tmp_path, claire)


@pytest.fixture
def pdf(tmp_path):
    return write_pdf(tmp_path / "x.pdf", "ORDONNANCE").read_bytes()


@pytest.fixture
def archive(tmp_path, pdf):
    (tmp_path / "report.pdf").write_bytes(pdf)
    (tmp_path / "patient.json").write_text(json.dumps(TRAITS))
    (tmp_path / "author.json").write_text(json.dumps(AUTHOR))
    words = {"pdf": "report.pdf", "patient": "patient.json", "author": "author.json", "out": "IHE_XDM.ZIP"}
    given = [word for name, value in words.items() for word in (f"--{name}", str(tmp_path / value))]
    command = [BIN / "pli-bridge", "mail", "xdm", "build", *given, "--type", "11488-4", "--json"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return tmp_path / "IHE_XDM.ZIP"


def claimed(folder, tmp_path, link) -> Terminal:
    jean = Terminal(tmp_path / "jean", folder.claire.url)
    jean.run("account", "claim", "--link", link)
    return jean


def invited(folder, pdf, **more) -> dict:
    folder.put("letter.pdf", pdf)
    folder.put("letter.json", {"patient": JEAN, "invite": "Jean Dupont", "text": "Voici votre ordonnance.", **more})
    folder.look()
    (result,) = folder.told("sent/*.result.json")
    return result


def texts(reading) -> list[str]:
    return [each["text"] for each in reading["messages"]]


def test_a_pdf_reaches_an_invited_patient_and_answer_and_receipt_come_back(folder, pdf, tmp_path):
    result = invited(folder, pdf, document="prescription", title="Ordonnance")
    assert folder.left() == []
    assert sorted(each.name for each in folder.path.glob("sent/*")) == [
        "000001-letter.json",
        "000001-letter.pdf",
        "000001.result.json",
    ]
    jean = claimed(folder, tmp_path, result["invitation_link"])
    reading = jean.run("read", result["conversation"], "--save", tmp_path / "saved")
    assert "logiciel de Dr Martin" in texts(reading)[0] or "software of Dr Martin" in texts(reading)[0]
    message = reading["messages"][1]
    assert (message["id"], message["text"]) == (result["message"], "Voici votre ordonnance.")
    (document,) = message["attachments"]
    assert (document["document"], document["title"]) == ("prescription", "Ordonnance")
    assert Path(document["path"]).read_bytes() == pdf
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(200))
    jean.run("send", result["conversation"], "--text", "Merci docteur", "--file", photo)
    folder.look()
    (receipt,) = folder.told("receipts/*.json")
    assert (receipt["item"], receipt["state"], receipt["message"]) == (1, "read", result["message"])
    (answer,) = folder.told("answers/*.json")
    assert (answer["text"], answer["ins"]) == ("Merci docteur", JEAN["ins"])
    (file,) = answer["files"]
    assert (folder.path / "answers" / file["file"]).read_bytes() == photo.read_bytes()
    before = {path: path.stat().st_mtime_ns for path in folder.path.glob("*/*")}
    folder.look()
    assert {path: path.stat().st_mtime_ns for path in folder.path.glob("*/*")} == before


def test_an_archive_and_an_hl7_message_go_to_the_patient_they_name(folder, pdf, archive):
    result = invited(folder, pdf)
    folder.put("IHE_XDM.ZIP", archive.read_bytes())
    folder.look()
    with zipfile.ZipFile(archive) as held:
        cda = held.read("IHE_XDM/SUBSET01/DOC0001.XML")
    message = (
        "MSH|^~\\&|RIS|CLINIQUE|PLI|CABINET|202611220930||ORU^R01^ORU_R01|77|P|2.5|||||FRA|UNICODE UTF-8\r"
        f"PID|||{JEAN['ins']}^^^ASIP&1.2.250.1.213.1.4.8&ISO^INS\r"
        f"OBX|1|ED|11488-4^CR^LN||^TEXT^XML^Base64^{base64.b64encode(cda).decode()}||||||F\r"
    )
    folder.put("result.hl7", message)
    folder.look()
    reading = folder.claire.run("read", result["conversation"])
    assert len(reading["messages"]) == 4
    for each in reading["messages"][2:]:
        assert "CR ou fiche de consultation" in each["text"]
        assert [document["media_type"] for document in each["attachments"]] == ["application/pdf"]
    acknowledgement = next(folder.path.glob("sent/*.ack.hl7")).read_bytes()
    assert b"MSA|AA|77|" in acknowledgement


def test_the_same_letter_again_is_not_sent_again(folder, pdf):
    result = invited(folder, pdf)
    folder.put("copy.pdf", pdf)
    folder.put("copy.json", (folder.path / "sent" / "000001-letter.json").read_bytes())
    folder.look()
    (again,) = folder.told("sent/*.result.json")
    assert (again["repeat"], again["message"]) == (True, result["message"])
    assert folder.left() == []
    assert len(folder.claire.run("read", result["conversation"])["messages"]) == 2


REFUSED = [
    ({".pdf": "PDF", ".json": {"patient": JEAN, "text": "x"}}, "patient_unknown"),
    ({".pdf": "PDF", ".json": {"patient": JEAN | {"ins": "279035121518980"}, "invite": "x"}}, "ins_wrong"),
    ({".pdf": "PDF", ".json": {"patient": JEAN | {"ins_oid": "1.2.250.1.213.1.4.10"}, "invite": "x"}}, "ins_wrong"),
    ({".pdf": "PDF", ".json": {"text": "x"}}, "nobody"),
    ({".pdf": "PDF", ".json": {"conversation": "x", "text": "y"}}, "nobody"),
    ({".pdf": "PDF", ".json": {"account": "A" * 43, "text": "x"}}, "nobody"),
    ({".pdf": "PDF", ".json": "{"}, "sidecar_broken"),
    ({".pdf": "PDF", ".json": {"pacient": JEAN}}, "sidecar_broken"),
    ({".pdf": "PDF", ".json": {"files": ["../../etc/passwd"]}}, "sidecar_broken"),
    ({".pdf": "PDF", ".json": {"reply": "tomorrow"}}, "sidecar_broken"),
    ({".pdf": "%PDF-1.4 half", ".json": {"patient": JEAN, "invite": "x"}}, "file_incomplete"),
    ({".json": {"patient": JEAN, "invite": "x"}}, "empty"),
    ({".zip": "PK\x03\x04 no archive"}, "archive_broken"),
    ({".zip": "MZ"}, "not_a_mail"),
    ({".hl7": "MSH|^~\\&|a|b|c|d|1||ADT^A01|1|P|2.5"}, "hl7_type"),
    ({".ZIP": "ARCHIVE"}, "patient_unknown"),
    ({".ZIP": "ARCHIVE", ".json": {"patient": JEAN | {"birth_date": "1980-01-01"}, "invite": "x"}}, "patient_differs"),
    ({".ZIP": "ARCHIVE", ".json": {"patient": JEAN | {"ins": "277076322082910"}, "invite": "x"}}, "patient_differs"),
]


def test_what_is_refused_lies_beside_its_reason(folder, pdf, archive):
    known = {"PDF": pdf, "ARCHIVE": archive.read_bytes()}
    for case, (files, _) in enumerate(REFUSED):
        for suffix, content in files.items():
            folder.put(f"case{case}{suffix}", known.get(content, content) if isinstance(content, str) else content)
    before = len(folder.claire.run("conversations")["conversations"])
    folder.look()
    assert folder.left() == []
    for case, (files, reason) in enumerate(REFUSED):
        for suffix in files:
            (away,) = folder.path.glob(f"refused/*-case{case}{suffix}")
            (told,) = folder.told(f"refused/{away.name[:6]}.reason.json")
            assert told["reason"] == reason, (case, told)
            assert told["message"]
            if suffix == ".hl7":
                assert b"MSA|AE|1|hl7_type" in (folder.path / "refused" / f"{away.name[:6]}.ack.hl7").read_bytes()
    assert len(folder.claire.run("conversations")["conversations"]) == before


def test_what_is_not_finished_waits_and_what_is_no_plain_file_is_left_alone(folder, pdf, tmp_path):
    (folder.path / "letter.pdf.part").write_bytes(pdf)
    (folder.path / "alone.pdf").write_bytes(pdf)
    (folder.path / "early.json").write_text(json.dumps({"patient": JEAN, "invite": "x", "files": ["late.pdf"]}))
    secret = tmp_path / "secret.zip"
    secret.write_bytes(b"PK\x03\x04")
    (folder.path / "link.zip").symlink_to(secret)
    os.mkfifo(folder.path / "pipe.zip")
    folder.look()
    assert sorted(folder.left()) == ["alone.pdf", "early.json", "letter.pdf.part", "link.zip"]
    assert folder.told("*/*.json") == []
    folder.config.write_text(folder.config.read_text() + "patience = 0\n")
    folder.look()
    assert {told["reason"] for told in folder.told("refused/*.reason.json")} == {
        "sidecar_missing",
        "file_missing",
    }
    folder.config.write_text(folder.config.read_text().replace("settle = 0", "settle = 3600"))
    folder.put("fresh.zip", b"PK\x03\x04")
    folder.look()
    assert "fresh.zip" in folder.left()
    assert secret.exists()


def test_killed_again_and_again_it_says_every_letter_once(folder, pdf):
    result = invited(folder, pdf)
    words = [f"Lettre {number}" for number in range(20)]
    with (folder.path.parent / "log").open("ab") as log:
        for kill in range(5):
            for text in words[kill * 4 : kill * 4 + 4]:
                folder.put(f"{text}.pdf", pdf)
                folder.put(f"{text}.json", {"patient": JEAN, "text": text})
            running = subprocess.Popen(folder.command(), stdout=log, stderr=log, start_new_session=True)
            until = time.monotonic() + 60
            while len(folder.left()) > 7 - kill and time.monotonic() < until:  # in the middle of a letter
                time.sleep(0.002)
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    folder.look()
    assert folder.left() == []
    said = texts(folder.claire.run("read", result["conversation"]))[2:]
    assert sorted(said) == sorted(words)
    results = folder.told("sent/*.result.json")
    assert len({each["message"] for each in results}) == len(results) == len(words) + 1


class CutError(RuntimeError):
    """Stands for a power cut."""


CUTS = [
    (Patients, "learn"),
    (Threads, "add"),
    (Threads, "note"),
    (Journal, "sent"),
    (Threads, "done"),
    (Drop, "put_away"),
]


async def test_cut_between_any_two_steps_it_says_a_letter_once(folder, pdf, monkeypatch):
    def cut(*_, **__):
        raise CutError

    config, numbers = load(folder.config), [JEAN["ins"], "162018885045327", "277076322082910", "248039263001064"]
    for number, (place, step) in enumerate(CUTS):
        person = JEAN | {"ins": numbers[number % 4], "sex": "U"}  # the first cuts fall on somebody who is not known yet
        folder.put(
            "letter.json", {"patient": person, "invite": "Jean", "subject": f"S{number}", "text": f"Lettre {number}"}
        )
        with monkeypatch.context() as patch:
            patch.setattr(place, step, cut)
            home = Home(config.home)
            async with (
                client(home, server=config.server, ask=str, tell=print) as me,
                opened(config, me, home, print) as post,
            ):
                with pytest.raises(CutError):
                    await post.pass_once()
        async with (
            client(home, server=config.server, ask=str, tell=print) as me,
            opened(config, me, home, print) as post,
        ):
            await post.pass_once()
    conversations = folder.claire.run("conversations")["conversations"]
    assert [each["subject"] for each in conversations if each["subject"] in {"S0", "S1", "S2", "S3"}].count("S0") == 1
    results = folder.told("sent/*.result.json")
    assert len(results) == len(CUTS)
    found = [texts(folder.claire.run("read", each))[1:] for each in {each["conversation"] for each in results}]
    assert sorted(text for said in found for text in said) == [f"Lettre {number}" for number in range(len(CUTS))]


def test_a_server_that_is_away_costs_nothing(folder, server, pdf):
    result = invited(folder, pdf)
    running = subprocess.Popen(folder.command(), stderr=subprocess.DEVNULL)
    try:
        server.stop(signal.SIGKILL)
        folder.put("b.pdf", pdf)
        folder.put("b.json", {"patient": JEAN, "text": "deux"})
        time.sleep(1)
        assert len(folder.told("sent/*.result.json")) == 1
        server.start()
        until = time.monotonic() + 60
        while len(folder.told("sent/*.result.json")) < 2 and time.monotonic() < until:
            time.sleep(0.1)
    finally:
        running.terminate()
        running.wait(30)
    assert texts(folder.claire.run("read", result["conversation"]))[2:] == ["deux"]
    shutil.rmtree(folder.path)
    assert subprocess.run([*folder.command(), "--once"], capture_output=True, timeout=60).returncode == 0
