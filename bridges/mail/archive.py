"""ZIP of a stranger: counted, measured and named before a byte is unpacked. Source: docs/spec/mail.md 9.

Nothing is written to a disk; archives inside archives stay closed.
"""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import Final

from bridges.mail import limits
from bridges.mail.reasons import QuarantineError

_END: Final = b"PK\x05\x06"
_ENCRYPTED: Final = 0x1
_PLAIN: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def read_archive(octets: bytes) -> dict[str, bytes]:
    """Unpack to memory.

    Returns:
        name → content; names have "/" between folders and never lead outside.

    Raises:
        QuarantineError: ``archive_broken``, ``archive_too_large``, ``archive_unsafe``.

    """
    _require_small_directory(octets)
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as packed:
            entries = packed.infolist()
            _require_sane(entries, len(octets))
            return {_safe_name(each.filename): _unpack(packed, each) for each in entries if not each.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, struct.error, zlib.error) as error:
        raise QuarantineError("archive_broken", type(error).__name__) from None
    except (OSError, ValueError, UnicodeError) as error:  # offsets outside of the file, names that are no text
        raise QuarantineError("archive_broken", type(error).__name__) from None


def _require_small_directory(octets: bytes) -> None:
    """Look at the end record alone: the library would read any number of entries first."""
    if not octets.startswith(b"PK\x03\x04"):
        raise QuarantineError("archive_broken", "something stands before the archive")
    at = octets.rfind(_END, max(0, len(octets) - 65557))
    if at == -1 or len(octets) < at + 22:
        raise QuarantineError("archive_broken", "no end record")
    count, size = struct.unpack_from("<HI", octets, at + 10)
    if count > limits.ENTRIES or size > limits.DIRECTORY:
        raise QuarantineError("archive_too_large", "entries")


def _require_sane(entries: list[zipfile.ZipInfo], total: int) -> None:
    if len(entries) > limits.ENTRIES or sum(each.file_size for each in entries) > limits.UNPACKED:
        raise QuarantineError("archive_too_large")
    seen = set[str]()
    for each in entries:
        if stat.S_ISLNK(each.external_attr >> 16) or each.flag_bits & _ENCRYPTED:
            raise QuarantineError("archive_unsafe", "link or encrypted")
        if each.compress_type not in _PLAIN:
            raise QuarantineError("archive_broken", "compression")
        if each.file_size > limits.MIB and each.file_size > limits.RATIO * max(each.compress_size, 1):
            raise QuarantineError("archive_too_large", "ratio")
        name = _safe_name(each.filename).casefold()
        if name in seen:
            raise QuarantineError("archive_unsafe", "two files of one name")
        seen.add(name)
    _require_apart(entries, total)


def _require_apart(entries: list[zipfile.ZipInfo], total: int) -> None:
    """Files that share their bytes are how a small archive becomes a bomb."""
    ordered = sorted(entries, key=lambda each: each.header_offset)
    ends = [each.header_offset for each in ordered[1:]] + [total]
    for each, end in zip(ordered, ends, strict=True):
        if each.header_offset + 30 + each.compress_size > end:
            raise QuarantineError("archive_unsafe", "overlapping files")


def _safe_name(name: str) -> str:
    path = PurePosixPath(name.replace("\\", "/"))  # what some programs of Windows write between folders
    odd = ":" in name or any(ord(sign) < 32 for sign in name)
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        raise QuarantineError("archive_unsafe", "name")
    if len(path.parts) > limits.FOLDERS or len(name) > 255:
        raise QuarantineError("archive_unsafe", "name too long")
    return str(path)


def _unpack(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # The library stops at the size that was judged above, and compares the checksum of what it read until there.
    return packed.read(entry)
