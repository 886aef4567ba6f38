"""ZIP of a stranger."""

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail import limits
from bridges.mail.archive import read_archive
from bridges.mail.reasons import QuarantineError


def packed(contents: dict[str, bytes], change=lambda entry: None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in contents.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            change(entry)
            archive.writestr(entry, octets)
    return out.getvalue()


def reason(octets: bytes) -> str:
    with pytest.raises(QuarantineError) as refused:
        read_archive(octets)
    return refused.value.reason


def test_files_come_back():
    assert read_archive(packed({"A.TXT": b"a", "D/B.XML": b"b" * 5000})) == {"A.TXT": b"a", "D/B.XML": b"b" * 5000}


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/abs", "..\\x", "a\\..\\..\\x", "\\abs", "C:x", "a\nb", "1/2/3/4/5/6/7", "n" * 256]
)
def test_names_that_lead_elsewhere(name):
    assert reason(packed({name: b"x"})) == "archive_unsafe"


def test_folders_between_backslashes_are_folders():
    assert read_archive(packed({"D\\B.XML": b"b"})) == {"D/B.XML": b"b"}
    assert reason(packed({"D\\B.XML": b"b", "D/B.XML": b"c"})) == "archive_unsafe"


def test_a_link_is_refused():
    def link(entry):
        entry.external_attr = 0o120777 << 16

    assert reason(packed({"l": b"/etc/passwd"}, link)) == "archive_unsafe"


def test_two_files_of_one_name_are_refused():
    assert reason(packed({"IHE_XDM/A.XML": b"1", "ihe_xdm/a.xml": b"2"})) == "archive_unsafe"


def test_an_encrypted_file_is_refused():
    octets = bytearray(packed({"a": b"x"}))
    at = octets.rfind(b"PK\x01\x02")
    octets[at + 8] |= 1
    assert reason(bytes(octets)) == "archive_unsafe"


def test_a_bomb_is_refused_before_it_is_unpacked():
    assert reason(packed({"b": b"\0" * (3 * limits.MIB)})) == "archive_too_large"
    assert reason(packed({str(n): bytes(10) for n in range(limits.ENTRIES + 1)})) == "archive_too_large"


def test_a_size_that_lies_is_found():
    octets = bytearray(packed({"b": b"\0" * 1000}))
    at = octets.rfind(b"PK\x01\x02")
    struct.pack_into("<I", octets, at + 24, 10)
    assert reason(bytes(octets)) == "archive_broken"


def test_files_that_share_their_bytes_are_refused():
    octets = bytearray(packed({"a": b"x" * 50, "b": b"y" * 50}))
    first = octets.find(b"PK\x01\x02")
    second = octets.find(b"PK\x01\x02", first + 1)
    struct.pack_into("<I", octets, second + 42, 0)
    assert reason(bytes(octets)) == "archive_unsafe"


def test_something_before_the_archive_is_refused():
    assert reason(b"<html>" + packed({"a": b"x"})) == "archive_broken"


def test_an_archive_inside_stays_closed():
    inner = packed({"../x": b"x"})
    assert read_archive(packed({"n.zip": inner})) == {"n.zip": inner}


@given(st.integers(0, 400), st.integers(0, 255))
def test_any_damage_is_an_archive_or_a_refusal(at, value):
    octets = bytearray(packed({"A.TXT": b"some words", "D/B.XML": b"b" * 300}))
    octets[at % len(octets)] = value
    try:
        read_archive(bytes(octets))
    except QuarantineError as error:
        outcome = error.reason
    else:
        outcome = "archive_read"
    assert outcome.startswith("archive_")
