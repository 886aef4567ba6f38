"""File names that a stranger chose."""

import os
import threading
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit.files import MAX_NAME, create_new, media_type, read_up_to, safe_name


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("ordonnance.pdf", "ordonnance.pdf"),
        ("../../etc/passwd", "_._etc_passwd"),
        ("..", "document"),
        (".bashrc", "bashrc"),
        ("/", "_"),
        ("C:\\temp\\x.pdf", "C__temp_x.pdf"),
        ("con.pdf", "_con.pdf"),
        ("NUL", "_NUL"),
        ("a\x00b\n.pdf", "ab.pdf"),
        ("rapport\u202efdp.exe", "rapportfdp.exe"),
        ("fin. . ", "fin"),
        ("e\u0301te.pdf", "\u00e9te.pdf"),
        ("", "document"),
    ],
)
def test_known_traps(sent, written):
    assert safe_name(sent) == written


@given(st.text(max_size=400))
def test_any_name_stays_in_its_folder(name):
    safe = safe_name(name)
    assert safe not in {"", ".", ".."}
    assert not set(safe) & set("/\\:\0")
    assert len(safe.encode()) <= MAX_NAME
    assert all(unicodedata.category(c) not in {"Cc", "Cf"} for c in safe)


def test_a_long_name_keeps_its_extension():
    assert safe_name("é" * 300 + ".pdf").endswith("é.pdf")


def test_nothing_is_overwritten_and_links_are_not_followed(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"mine")
    (tmp_path / "a (2).pdf").symlink_to(tmp_path / "target")
    path, file = create_new(tmp_path, "a.pdf")
    file.close()
    assert path.name == "a (3).pdf"
    assert (tmp_path / "a.pdf").read_bytes() == b"mine"
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("name", "start", "kind"),
    [
        ("x.txt", b"%PDF-1.7", "application/pdf"),
        ("x.pdf", b"\x89PNG\r\n\x1a\n", "image/png"),
        ("photo", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("x.webp", b"RIFF1234WEBP", "image/webp"),
        ("notes.txt", b"hello", "text/plain"),
        ("thing", b"hello", "application/octet-stream"),
    ],
)
def test_the_content_tells_the_type(name, start, kind):
    assert media_type(name, start) == kind


def test_a_folder_is_no_file_and_leaves_no_handle_open(tmp_path):
    before = os.listdir("/proc/self/fd")
    with pytest.raises(IsADirectoryError) as refused:
        read_up_to(tmp_path, 10)
    assert refused.value.filename == str(tmp_path)
    assert os.listdir("/proc/self/fd") == before


def test_what_says_nothing_is_not_waited_for_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)
    os.write(held, b"From: a")
    with pytest.raises(TimeoutError):
        read_up_to(tmp_path / "pipe", 100, patience=0.2)
    os.write(held, b"From: b")
    assert read_up_to(tmp_path / "pipe", 7, patience=0.2) == b"From: b"
    os.close(held)
    assert read_up_to(tmp_path / "pipe", 100) == b""


def test_a_slow_writer_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    held = os.open(tmp_path / "pipe", os.O_RDWR)
    writer = threading.Timer(0.2, lambda: (os.write(held, b"late"), os.close(held)))
    writer.start()
    assert read_up_to(tmp_path / "pipe", 100, patience=60) == b"late"
    writer.join()


def test_no_more_is_read_than_asked_for():
    assert read_up_to(Path("/dev/zero"), 3_000_000) == bytes(3_000_000)
