"""Two folders between the mail bridge and the agenda bridge. Source: docs/spec/agenda-partners.md 11.

One file is one message, written under another name first: whoever sees ``*.json`` sees it whole. What was taken is
deleted, what could not be taken is kept aside with its reason.
"""

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

FILE: Final = 512 * 1024  # bytes of one message in a folder
AT_ONCE: Final = 200  # messages taken in one round


class Letter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A calendar that came or goes by mail."""

    sender: str  # address; of what came: the one that the mail bridge has verified
    recipient: str
    method: str
    calendar: str  # base64 of the body of the text/calendar part
    message_id: str = ""
    verified: bool = False  # of what came: that the sender is who he says


@dataclass(frozen=True, slots=True)
class Spool:
    """``in`` is written by the mail bridge, ``out`` by us; ``aside`` is for people."""

    folder: Path

    def waiting(self) -> Iterator[tuple[Path, Letter | None, bytes]]:
        """Give what came, oldest first: its file, the letter and the calendar; None for what is none."""
        inbox = self._made("in")
        files = sorted((each for each in inbox.iterdir() if each.suffix == ".json" and each.is_file()), key=_age)
        for path in files[:AT_ONCE]:
            yield path, *_open(path)

    def done(self, path: Path) -> None:
        """Delete what was taken."""
        path.unlink(missing_ok=True)

    def set_aside(self, path: Path, reason: str) -> None:
        """Keep what could not be taken, named after its reason, which is one of ours."""
        path.replace(self._made("aside") / f"{reason}-{path.name}")

    def send(self, name: str, letter: Letter) -> None:
        """Write a letter for the mail bridge; the same name again is the same letter."""
        target = self._made("out") / f"{name}.json"
        if target.exists():
            return
        part = target.with_suffix(".part")
        with part.open("wb") as stream:
            stream.write(msgspec.json.encode(letter))
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(0o600)
        part.replace(target)

    def _made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name  # the names that the mail bridge gives are digests


def _open(path: Path) -> tuple[Letter | None, bytes]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE + 1)
        if len(raw) > FILE:
            return None, b""
        letter = msgspec.json.decode(raw, type=Letter)
        return letter, base64.b64decode(letter.calendar, validate=True)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError):
        return None, b""
