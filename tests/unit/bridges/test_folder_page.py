"""What docs/operate/folder.md shows is what the programs take."""

import re
from pathlib import Path

import pytest

from bridges.folder import reasons
from bridges.folder.config import load
from bridges.folder.sidecar import SidecarError, read_sidecar

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "operate" / "folder.md").read_text("utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_configuration_and_the_sidecar_of_the_page_are_taken(tmp_path):
    path = tmp_path / "folder.toml"
    path.write_text(block("toml"))
    shown = load(path)
    assert (shown.owner, str(shown.folder)) == ("Cabinet du Sud", "/srv/pli")
    sidecar = read_sidecar(block("json").encode())
    assert (sidecar.invite, sidecar.files) == ("Anne Dupont", ["ordonnance.pdf"])


def test_every_reason_with_a_sentence_is_on_the_page():
    assert [reason for reason in reasons._WORDS if f"`{reason}`" not in PAGE] == []


@pytest.mark.parametrize(
    "octets", [b"", b"[]", b"{" * 100_000, b'{"files": ["a", "a"]}', b'{"reply": "2026-13-01"}', b"{" + b" " * 300_000]
)
def test_a_hostile_sidecar_is_refused(octets):
    with pytest.raises(SidecarError):
        read_sidecar(octets)
