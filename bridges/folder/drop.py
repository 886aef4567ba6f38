"""What lies complete in the drop folder, and how it leaves. Source: docs/operate/folder.md.

Complete: nothing about a file has changed for a while. Software that renames a finished file into the folder is sure;
software that writes slowly in place must not pause longer than ``settle``.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridges.folder.sidecar import MAX_SIDECAR, Sidecar, SidecarError, read_sidecar

SENT, REFUSED, ANSWERS, RECEIPTS = "sent", "refused", "answers", "receipts"
MESSAGES: Final = frozenset({".hl7", ".er7"})
ALONE: Final = MESSAGES | {".zip"}  # say themselves what they are
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".filepart", ".crdownload")
_TAIL: Final = 2048  # bytes at the end of a PDF in which its end mark stands
_LISTED: Final = 10_000  # files of one look


@dataclass(frozen=True, slots=True)
class Dropped:
    """Files that belong together, read."""

    names: tuple[str, ...]  # the sidecar first, where there is one
    sidecar: Sidecar | None
    files: dict[str, bytes]  # without the sidecar
    digest: bytes  # SHA-256 over all contents: what makes it the same again
    reason: str = ""  # why it is refused at once
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """One folder. ``limit`` is the most bytes of one file."""

    folder: Path
    settle: float  # seconds without a change
    patience: float  # seconds after which what is alone or half is refused
    limit: int
    clock: Callable[[], float] = field(default=time.time)  # noqa: TID251  the clock of the files

    def prepare(self) -> None:
        """Make the folders that files leave into."""
        for name in (SENT, REFUSED, ANSWERS, RECEIPTS):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def complete(self) -> Iterator[Dropped]:
        """Give what can be worked on, oldest first; raises OSError when the folder is gone."""
        seen = self._look()
        taken = set[str]()
        for name in sorted(filter(_is_sidecar, seen), key=lambda each: (seen[each], each)):
            yield from self._with_sidecar(name, seen, taken)
        for name in sorted(seen.keys() - taken, key=lambda each: (seen[each], each)):
            if Path(name).suffix.lower() in ALONE:
                if self._is_settled(seen[name]):
                    yield self._read((name,), None)
            elif self._is_old(seen[name]):
                yield self._refused((name,), "sidecar_missing")

    def _look(self) -> dict[str, float]:
        """Give each plain file with the moment of its last change of any kind."""
        found = dict[str, float]()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.startswith((".", "~")) or entry.name.lower().endswith(_UNFINISHED):
                    continue
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and len(found) < _LISTED:
                    found[entry.name] = max(status.st_mtime, status.st_ctime)
        return found

    def _is_settled(self, changed: float) -> bool:
        return self.clock() - changed >= self.settle

    def _is_old(self, changed: float) -> bool:
        return self.clock() - changed >= self.patience

    def _with_sidecar(self, name: str, seen: dict[str, float], taken: set[str]) -> Iterator[Dropped]:
        taken.add(name)
        same = [each for each in seen if Path(each).stem == Path(name).stem and not _is_sidecar(each)]
        taken.update(same)
        if not self._is_settled(seen[name]):
            return
        try:
            sidecar = read_sidecar(_read_plain(self.folder / name, MAX_SIDECAR))
        except (SidecarError, OSError) as error:
            yield self._refused((name, *sorted(same)), "sidecar_broken", str(error))
            return
        wanted = sidecar.files or sorted(same)
        taken.update(wanted)
        missing = [each for each in wanted if each not in seen]
        if missing:
            if self._is_old(seen[name]):
                yield self._refused((name, *(each for each in wanted if each in seen)), "file_missing", missing[0])
        elif all(self._is_settled(seen[each]) for each in wanted):
            yield self._read((name, *wanted), sidecar)

    def _read(self, names: tuple[str, ...], sidecar: Sidecar | None) -> Dropped:
        contents = dict[str, bytes]()
        for name in names:
            try:
                contents[name] = _read_plain(self.folder / name, self.limit)
            except OSError as error:
                return self._refused(names, "file_unreadable", str(error))
        files = {name: octets for name, octets in contents.items() if sidecar is None or name != names[0]}
        half = [name for name, octets in files.items() if _is_half(name, octets)]
        if half:
            return Dropped(names, sidecar, files, _digest(contents), "file_incomplete", half[0])
        return Dropped(names, sidecar, files, _digest(contents))

    def _refused(self, names: tuple[str, ...], reason: str, detail: str = "") -> Dropped:
        told = "\0".join((reason, detail, *names)).encode()
        return Dropped(names, None, {}, hashlib.sha256(told).digest(), reason, detail)

    def put_away(self, dropped: Dropped, where: str, number: int) -> None:
        """Move all files; those that an earlier try has moved are passed over."""
        for name in dropped.names:
            try:
                (self.folder / name).rename(self.folder / where / f"{number:06}-{name}")
            except FileNotFoundError:
                continue


def _is_sidecar(name: str) -> bool:
    """Software of other systems writes names in capitals."""
    return name.lower().endswith(".json")


def _read_plain(path: Path, limit: int) -> bytes:
    """Read a file that is no link; raises OSError, also for one over the limit."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        octets = file.read(limit + 1)
    if len(octets) > limit:
        raise OSError(f"over {limit} B")
    return octets


def _is_half(name: str, octets: bytes) -> bool:
    suffix = Path(name).suffix.lower()
    return not octets or (suffix == ".pdf" and b"%%EOF" not in octets[-_TAIL:])


def _digest(contents: dict[str, bytes]) -> bytes:
    """Digest contents, not names: the same letter under another name is the same letter."""
    parts = sorted(hashlib.sha256(octets).digest() for octets in contents.values())
    return hashlib.sha256(b"pli folder" + b"".join(parts)).digest()
