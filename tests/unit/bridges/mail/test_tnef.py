"""winmail.dat: the files inside, under their real names; what is broken stays one file."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail.reading import read
from bridges.mail.saying import files_of
from bridges.mail.tnef import read_files

PDF = b"%PDF-1.4\nbilan\n%%EOF\n"


def attribute(number: int, value: bytes, level: int = 2) -> bytes:
    return struct.pack("<BII", level, number, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def counted(value: bytes) -> bytes:
    return struct.pack("<II", 1, len(value)) + value + bytes(-len(value) % 4)


def properties(name: str) -> bytes:
    """As Outlook writes them: numbers, times, several values, a property with a name, then the long name."""
    named = (
        struct.pack("<HH", 0x1E, 0x8001) + bytes(16) + struct.pack("<II", 1, 6) + "abc".encode("utf-16-le") + b"\0\0"
    )
    each = [
        struct.pack("<HHI", 0x03, 0x0E20, 7),
        struct.pack("<HH8x", 0x40, 0x3007),
        struct.pack("<HHIII", 0x1003, 0x0001, 2, 1, 2),
        named + counted(b"x\0"),
        struct.pack("<HH", 0x102, 0x3702) + counted(b"\1\2\3"),
        struct.pack("<HH", 0x1F, 0x3707) + counted(f"{name}\0".encode("utf-16-le")),
    ]
    return struct.pack("<I", len(each)) + b"".join(each)


def winmail(*files: tuple[str, str, bytes]) -> bytes:
    said = attribute(0x00089006, struct.pack("<I", 0x10000), 1) + attribute(0x00069003, b"\0" * 20, 1)
    for short, long, octets in files:
        said += attribute(0x00069002, bytes(14)) + attribute(0x00018010, short.encode("cp1252") + b"\0")
        said += attribute(0x0006800F, octets) + (attribute(0x00069005, properties(long)) if long else b"")
    return b"\x78\x9f\x3e\x22\x01\x00" + said


TWO = winmail(("RSULTA~1.PDF", "Résultat d'analyse.pdf", PDF), ("été.txt", "", b"note"))


def mail(octets: bytes, text: str = "bonjour") -> bytes:
    return (
        b"From: a@x.fr\r\nContent-Type: multipart/mixed; boundary=Z\r\n\r\n--Z\r\n\r\n" + text.encode() + b"\r\n--Z\r\n"
        b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.encodebytes(octets)
        + b"--Z--"
    )


def test_the_files_come_out_under_their_real_names():
    files, refused = files_of(read(mail(TWO), bodies=True))
    assert [(each.name, each.media_type, each.octets) for each in files] == [
        ("Résultat d'analyse.pdf", "application/pdf", PDF),
        ("été.txt", "application/octet-stream", b"note"),
    ]
    assert refused == []


def test_the_words_inside_are_not_read_so_it_goes_along_where_the_mail_has_none():
    files, _ = files_of(read(mail(TWO, text=""), bodies=True))
    assert [each.name for each in files] == ["winmail.dat", "Résultat d'analyse.pdf", "été.txt"]


def test_a_program_and_a_path_inside_are_what_they_are_outside():
    octets = winmail(("a", "..\\..\\x.exe", b"MZ"), ("b", "/etc/passwd", b"x"))
    files, refused = files_of(read(mail(octets), bodies=True))
    assert [each.name for each in files] == ["_etc_passwd"]
    assert [each.name for each in refused] == ["_.._x.exe"]


def test_a_file_may_lie_in_a_property():
    inside = struct.pack("<IHH", 1, 0x0D, 0x3701) + counted(bytes(16) + PDF)
    binary = struct.pack("<IHH", 1, 0x102, 0x3701) + counted(PDF)
    for value in (inside, binary):
        octets = b"\x78\x9f\x3e\x22\x01\x00" + attribute(0x00069002, bytes(14)) + attribute(0x00069005, value)
        assert [each.octets for each in read_files(octets)] == [PDF]


def test_no_more_parts_than_in_any_mail():
    assert read(mail(winmail(*[("a", "", b"x")] * 300))).reason == "too_many_parts"


@pytest.mark.parametrize("octets", [b"x\x9f\x3e\x22", TWO[:60], b"nothing of the kind"])
def test_what_holds_no_file_stays_one_file(octets):
    files, _ = files_of(read(mail(octets), bodies=True))
    assert [(each.name, each.octets) for each in files] == [("winmail.dat", octets)]


@given(at=st.integers(0, len(TWO) - 1), value=st.integers(0, 255), end=st.integers(0, len(TWO)))
def test_any_damage_is_survived(at, value, end):
    damaged = bytearray(TWO)
    damaged[at] = value
    for each in read_files(bytes(damaged[:end])):
        assert each.octets in {PDF, b"note"} or len(each.octets) <= len(TWO)
