"""PDFs become PDF/A-1b: checked by programs of another origin, and what does not become one goes as it came."""

import asyncio
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridges.mail.bridge_commands import _pdf_check
from bridges.mail.config import load
from bridges.mail.pdf_a import looks, srgb
from bridges.mail.pdf_a.converting import SHARE, convert, converter
from bridges.sandbox.running import SAID, Share, run
from tests.fakes.mail_bridge import configuration
from tests.fakes.pdfs import needs_ghostscript, pdf, told

MOMENT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TWO = pdf("~Ordonnance", "Compte rendu")
PROBE = Share(cpu=10, wall=60.0, address_space=512 << 20, file_size=1 << 20, open_files=32)


@needs_ghostscript
async def test_transparency_and_a_font_that_is_not_inside_become_pdf_a_1b(tmp_path):
    made = await convert(TWO, MOMENT)
    assert made.outcome == "converted"
    (tmp_path / "made.pdf").write_bytes(made.pdf)
    fonts = told("pdffonts", tmp_path / "made.pdf").splitlines()[2:]
    assert [re.search(r" (yes|no) +(yes|no) +(yes|no) ", line)[1] for line in fonts] == ["yes"]
    facts = dict(line.split(":", 1) for line in told("pdfinfo", tmp_path / "made.pdf").splitlines())
    wanted = {"Pages": "2", "Encrypted": "no", "PDF version": "1.4", "Page size": "595 x 842 pts (A4)"}
    assert {name: facts[name].strip() for name in wanted} == wanted
    metadata = told("pdfinfo", tmp_path / "made.pdf", "-meta")
    assert "pdfaid:part='1'" in metadata
    assert "pdfaid:conformance='B'" in metadata
    words = subprocess.run(["pdftotext", tmp_path / "made.pdf", "-"], capture_output=True, text=True, check=True)
    assert "Compte rendu" in words.stdout
    for mark in (b"/ca ", b"/SMask", b"/Group"):
        assert mark not in made.pdf, mark
    if shutil.which("qpdf"):
        told("qpdf", tmp_path / "made.pdf", "--check")


@needs_ghostscript
async def test_the_same_pdf_and_moment_give_the_same_bytes():
    first, again = await convert(TWO, MOMENT), await convert(TWO, MOMENT)
    assert (first.outcome, first.pdf) == ("converted", again.pdf)
    later = await convert(TWO, MOMENT.replace(hour=10))
    assert (later.outcome, later.pdf == first.pdf) == ("converted", False)
    assert (await convert(first.pdf, MOMENT)).outcome == "declared"  # and is not converted twice


def encrypted(folder: Path) -> bytes:
    (folder / "plain.pdf").write_bytes(TWO)
    words = ["-sUserPassword=u", "-sOwnerPassword=o", "-dEncryptionR=3", "-dKeyLength=128", "-o", "locked.pdf"]
    subprocess.run(["gs", "-q", "-sDEVICE=pdfwrite", *words, "plain.pdf"], cwd=folder, check=True, timeout=60)
    return (folder / "locked.pdf").read_bytes()


KEPT = {
    "encrypted": encrypted,
    "signed": lambda _: pdf("a", more=b"90 0 obj\n<</Type/Sig/ByteRange [0 10 20 30]/Contents<00>>>\nendobj\n"),
    "has_files": lambda _: pdf("a", more=b"90 0 obj\n<</Type/EmbeddedFile/Length 0>>\nstream\n\nendstream\nendobj\n"),
    "has_form": lambda _: pdf("a", catalog="/AcroForm<</XFA 3 0 R>>"),
    "too_large": lambda _: TWO + bytes(looks.LARGEST),
    "broken": lambda _: TWO[: len(TWO) // 2],
}


@needs_ghostscript
@pytest.mark.parametrize("reason", KEPT)
async def test_what_a_conversion_would_harm_goes_as_it_came(tmp_path, reason):
    came = KEPT[reason](tmp_path)
    made = await convert(came, MOMENT)
    assert (made.outcome, made.pdf == came) == (reason, True)


@needs_ghostscript
@pytest.mark.parametrize("came", [b"%PDF-1.4\n%%EOF\n", b"%PDF-1.4\n" + bytes(range(256)) * 40, TWO[:-40]])
async def test_a_pdf_that_must_be_guessed_at_goes_as_it_came(came):
    made = await convert(came, MOMENT)
    assert (made.outcome, made.pdf) == ("broken", came)


BOMBS = {
    "too_slow": (pdf(*["~a"] * 500), replace(SHARE, cpu=1)),
    "grew": (TWO, replace(SHARE, file_size=8 * 1024)),
    "died": (TWO, replace(SHARE, address_space=24 << 20)),
}


@needs_ghostscript
@pytest.mark.parametrize("reason", BOMBS)
async def test_a_bomb_ends_at_its_limits_and_leaves_nothing(tmp_path, reason):
    came, share = BOMBS[reason]
    made = await convert(came, MOMENT, share=share, folder=tmp_path / "clear")
    assert made.outcome in {reason, "broken"}  # short of memory, it ends by itself or is ended
    assert made.pdf == came
    assert not list((tmp_path / "clear").iterdir())


@needs_ghostscript
async def test_a_late_one_is_killed_and_a_cancelled_one_too(tmp_path):
    slow = pdf(*["~a"] * 500)
    made = await convert(slow, MOMENT, share=replace(SHARE, wall=1.0), folder=tmp_path)
    assert (made.outcome, made.pdf) == ("too_slow", slow)
    task = asyncio.create_task(convert(slow, MOMENT, folder=tmp_path))
    while not list(tmp_path.glob("*/said")):
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    left = [line for line in Path("/proc").glob("[0-9]*/cwd") if str(tmp_path) in os.path.realpath(line)]
    assert (left, list(tmp_path.iterdir())) == ([], [])


async def test_without_ghostscript_documents_go_and_doctor_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    config = load(configuration(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    made = await convert(TWO, MOMENT)
    assert (made.outcome, made.pdf) == ("no_program", TWO)
    check = await _pdf_check(config)
    assert (check["ok"], check["detail"]) == (True, "no_program")
    assert "apt-get install ghostscript" in check["advice"]


@needs_ghostscript
async def test_doctor_names_what_converts_and_off_is_said(tmp_path):
    (tmp_path / "home").mkdir()
    check = await _pdf_check(load(configuration(tmp_path)))
    assert (check["ok"], check["advice"]) == (True, "")
    assert re.fullmatch(r"ghostscript \d+\.[\d.]+", check["detail"])
    off = load(configuration(tmp_path, top="pdf_a = false"))
    assert (await _pdf_check(off))["detail"] == "off"
    made = await converter(tmp_path / "clear", wanted=off.pdf_a)(TWO, MOMENT)
    assert (made.outcome, made.pdf) == ("off", TWO)


async def test_a_disk_that_takes_nothing_loses_nothing(tmp_path):
    (tmp_path / "clear").write_text("a file where the folder should be")
    made = await convert(TWO, MOMENT, folder=tmp_path / "clear")
    assert (made.outcome, made.pdf) == ("died" if shutil.which("gs") else "no_program", TWO)


@needs_ghostscript
async def test_what_is_missing_in_a_conversion_is_seen():
    made = (await convert(pdf("a", "b"), MOMENT)).pdf
    said = b"Processing pages 1 through 2.\n"
    assert looks.judge(made, said) == "converted"
    assert looks.judge(made, said.replace(b"2", b"3")) == "differs"
    assert looks.judge(made, b"") == "differs"
    assert looks.judge(made.replace(b"/FontFile3", b"/FontGone3"), said) == "broken"
    assert looks.judge(made.replace(b"/OutputIntents", b"/OutputNothing"), said) == "broken"
    assert looks.judge(made, said + b"The following errors were encountered at least once") == "broken"
    assert looks.judge(made + bytes(looks.LARGEST), said) == "grew"


@needs_ghostscript
def test_the_colour_space_is_one_that_another_program_reads(tmp_path):
    profile = srgb.profile()
    assert struct.unpack(">I", profile[:4]) == (len(profile),)
    (tmp_path / "srgb.icc").write_bytes(profile)
    (tmp_path / "page.ps").write_text("1 0 0 setrgbcolor 0 0 9 9 rectfill 0.5 setgray 0 0 4 9 rectfill showpage")
    words = ["-sDEVICE=ppmraw", "-g9x9", "-sOutputICCProfile=srgb.icc", "-o", "page.ppm", "page.ps"]
    subprocess.run(["gs", "-q", "-dSAFER", "--permit-file-read=srgb.icc", *words], cwd=tmp_path, check=True, timeout=60)
    pixels = (tmp_path / "page.ppm").read_bytes()[-243:]
    assert all(abs(a - b) <= 2 for a, b in zip(pixels[:3] + pixels[-3:], (128, 128, 128, 255, 0, 0), strict=True))


async def confined(folder: Path, code: str) -> tuple[int, str]:
    ended = await run((sys.executable, "-I", "-c", code), folder, PROBE, {"TEMP": str(folder)})
    return ended, (folder / SAID).read_text()


async def test_the_program_sees_nothing_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PLI_PASSPHRASE", "hunter2")
    ended, said = await confined(tmp_path, "import os; print(sorted(os.environ), os.getcwd())")
    assert (ended, "PLI_PASSPHRASE" in said, str(tmp_path) in said) == (0, False, True)


GREEDY = {
    "file": "open('a', 'wb').write(bytes(2 << 20))",
    "memory": "bytes(1 << 30)",
    "files": "import os; [os.open('/', 0) for _ in range(99)]",
}


@pytest.mark.parametrize("code", GREEDY.values(), ids=GREEDY)
async def test_the_program_is_held_to_its_share(tmp_path, code):
    ended, _ = await confined(tmp_path, code)
    assert ended != 0
    assert not (tmp_path / "a").exists() or (tmp_path / "a").stat().st_size <= 1 << 20


async def test_the_program_reaches_no_network(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        code = f"import os, socket; print(os.readlink('/proc/self/ns/net')); socket.create_connection(('127.0.0.1', {port}), 5)"
        ended, said = await confined(tmp_path, code)
    if said.startswith(os.readlink("/proc/self/ns/net")):
        pytest.skip("the kernel does not let us leave the network")
    assert ended == 1
    assert "Error" in said
