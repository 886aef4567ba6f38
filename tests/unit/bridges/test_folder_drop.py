"""What lies complete in a drop folder: pairs, whatever the case of their names, and messages that stand alone."""

import os

import pytest

from bridges.folder.drop import Drop

PDF = b"%PDF-1.4\n%%EOF\n"
SIDECAR = b'{"text": "Bonjour"}'


@pytest.fixture
def look(tmp_path):
    """Lay files down, and give what a look an hour later finds."""

    def found(files: dict[str, bytes], seconds: float = 3600) -> list[tuple[tuple[str, ...], str]]:
        for name, octets in files.items():
            (tmp_path / name).write_bytes(octets)
        newest = max(each.stat().st_ctime for each in os.scandir(tmp_path))
        drop = Drop(tmp_path, settle=10, patience=600, limit=1000, clock=lambda: newest + seconds)
        return [(each.names, each.reason) for each in drop.complete()]

    return found


@pytest.mark.parametrize(("letter", "sidecar"), [("a.pdf", "a.json"), ("A.PDF", "A.JSON"), ("b.c.pdf", "b.c.Json")])
def test_a_letter_and_what_is_said_about_it_belong_together(look, letter, sidecar):
    assert look({letter: PDF, sidecar: SIDECAR}) == [((sidecar, letter), "")]


def test_a_message_stands_alone_but_where_something_is_said_about_it(look):
    assert sorted(look({"a.hl7": b"MSH", "B.ZIP": b"PK"})) == [(("B.ZIP",), ""), (("a.hl7",), "")]
    assert sorted(look({"B.JSON": SIDECAR})) == [(("B.JSON", "B.ZIP"), ""), (("a.hl7",), "")]


def test_what_is_new_waits_and_what_stays_alone_is_refused(look):
    assert look({"a.pdf": PDF, "b.hl7": b"MSH"}, seconds=1) == []
    assert look({}, seconds=60) == [(("b.hl7",), "")]
    assert sorted(look({}, seconds=700)) == [(("a.pdf",), "sidecar_missing"), (("b.hl7",), "")]
