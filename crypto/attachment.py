"""Files: sealed and opened as streams of 65,536-byte segments.

Source: docs/spec/protocol.md 8; Tink's AES-GCM-HKDF streaming format.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto import content, kdf
from crypto.errors import ProtocolError, require
from crypto.secret import Random, Secret, same, system_random
from crypto.suite import ATTACHMENT_ID, KEY, TAG

SEGMENT: Final = 65_536  # bytes of ciphertext
HEADER: Final = 40
_SALT: Final = 32
_PREFIX: Final = 7
FIRST: Final = SEGMENT - HEADER - TAG  # bytes of plaintext in segment 0
OTHER: Final = SEGMENT - TAG  # and in each that follows
MAX_SIZE: Final = 104_857_600  # bytes of plaintext, by default


@dataclass(frozen=True, slots=True)
class FileKey:
    """The id and the key of a file; both travel in the signed message."""

    id: bytes
    key: Secret


def draw(random: Random = system_random) -> FileKey:
    """Make the id (16 bytes) and key (32 bytes) of a file."""
    return FileKey(random(ATTACHMENT_ID), Secret(random(KEY)))


def segments(size: int) -> int:
    """How many segments a plaintext of ``size`` bytes has; an empty one has one."""
    return 1 if size <= FIRST else 1 + -(-(size - FIRST) // OTHER)


def sealed_size(size: int) -> int:
    """Bytes of ciphertext for ``size`` bytes of plaintext."""
    return HEADER + size + TAG * segments(size)


def plain_offset(segment: int) -> int:
    """Where the plaintext of a segment starts."""
    return 0 if segment == 0 else FIRST + (segment - 1) * OTHER


def sealed_range(segment: int, sealed: int) -> tuple[int, int]:
    """Where a segment stands in a ciphertext of ``sealed`` bytes: start and end (segment 0 begins with the header)."""
    return segment * SEGMENT, min(sealed, (segment + 1) * SEGMENT)


class _Stream:
    """The key and the nonces of one file."""

    def __init__(self, file: FileKey, header: bytes) -> None:
        require(len(header) == HEADER and header[0] == HEADER, "open_failed", "header")
        key = kdf.hkdf(file.key.reveal(), salt=header[1 : 1 + _SALT], info=file.id, length=KEY)
        self._aes = AESGCM(key)
        self._prefix = header[1 + _SALT :]

    def seal(self, segment: int, plain: bytes, *, last: bool) -> bytes:
        return self._aes.encrypt(self._nonce(segment, last=last), plain, None)

    def unseal(self, segment: int, sealed: bytes, *, last: bool) -> bytes:
        try:
            return self._aes.decrypt(self._nonce(segment, last=last), sealed, None)
        except InvalidTag:
            raise ProtocolError("open_failed") from None

    def _nonce(self, segment: int, *, last: bool) -> bytes:
        return self._prefix + segment.to_bytes(4) + bytes([last])


@dataclass(slots=True)
class Seals:
    """What is known of a file once it has passed: fill a ``content.Attachment`` with it."""

    sha256: bytes = b""
    sealed_sha256: bytes = b""
    size: int = 0
    sealed_size: int = 0

    def reference(
        self, file: FileKey, *, name: str, media_type: str, title: str = "", document: str | None = None
    ) -> content.Attachment:
        """The signed reference to the sealed file."""
        return content.Attachment(
            id=file.id,
            key=file.key.reveal(),
            media_type=media_type,
            name=name,
            sealed_sha256=self.sealed_sha256,
            sealed_size=self.sealed_size,
            sha256=self.sha256,
            size=self.size,
            title=title,
            document=document,
        )


class Sealer:
    """Seals a stream: iterate over it for the ciphertext, one segment at a time; then read ``seals``."""

    def __init__(self, file: FileKey, chunks: Iterable[bytes], random: Random = system_random) -> None:
        self.seals: Final = Seals()
        self._file = file
        self._chunks = chunks
        self._header = bytes([HEADER]) + random(_SALT) + random(_PREFIX)

    def __iter__(self) -> Iterator[bytes]:
        stream = _Stream(self._file, self._header)
        plain_hash, sealed_hash, head = hashlib.sha256(), hashlib.sha256(), self._header
        for number, (plain, last) in enumerate(_cut(self._chunks, FIRST, OTHER)):
            sealed = head + stream.seal(number, plain, last=last)
            head = b""
            plain_hash.update(plain)
            sealed_hash.update(sealed)
            self.seals.size += len(plain)
            self.seals.sealed_size += len(sealed)
            yield sealed
        self.seals.sha256, self.seals.sealed_sha256 = plain_hash.digest(), sealed_hash.digest()


def open_stream(reference: content.Attachment, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Open a sealed stream, one segment at a time; what was yielded counts only if the iterator ends without an error.

    Raises:
        ProtocolError: ``open_failed``: cut, changed, reordered or longer, or not the file of the reference.

    """
    file = FileKey(reference.id, Secret(reference.key))
    plain_hash, sealed_hash, size, sealed_length = hashlib.sha256(), hashlib.sha256(), 0, 0
    stream: _Stream | None = None
    for number, (cut, last) in enumerate(_cut(chunks, SEGMENT, SEGMENT)):
        sealed_hash.update(cut)
        sealed_length += len(cut)
        require(sealed_length <= reference.sealed_size, "open_failed", "longer than the reference says")
        stream = stream or _Stream(file, cut[:HEADER])
        plain = stream.unseal(number, cut[HEADER:] if number == 0 else cut, last=last)
        plain_hash.update(plain)
        size += len(plain)
        yield plain
    require((size, sealed_length) == (reference.size, reference.sealed_size), "open_failed", "size")
    whole = plain_hash.digest() + sealed_hash.digest()
    require(same(whole, reference.sha256 + reference.sealed_sha256), "open_failed", "hash")


@dataclass(frozen=True, slots=True)
class Seeker:
    """Opens single segments of a file, to show a part of it. It cannot check the hash of the whole."""

    reference: content.Attachment
    header: bytes = field(repr=False)
    """The first 40 bytes of the ciphertext."""

    def open_segment(self, segment: int, sealed: bytes) -> bytes:
        """Open the bytes of ``sealed_range(segment, reference.sealed_size)`` (``open_failed``)."""
        start, end = sealed_range(segment, self.reference.sealed_size)
        require(0 <= start < end and len(sealed) == end - start, "open_failed", "range")
        stream = _Stream(FileKey(self.reference.id, Secret(self.reference.key)), self.header)
        last = end == self.reference.sealed_size
        return stream.unseal(segment, sealed[HEADER:] if segment == 0 else sealed, last=last)


def _cut(chunks: Iterable[bytes], first: int, other: int) -> Iterator[tuple[bytes, bool]]:
    """Cut a stream into pieces and tell which is the last; an empty stream is one empty piece."""
    buffer, wanted = bytearray(), first
    for chunk in chunks:
        buffer += chunk
        while len(buffer) > wanted:  # one byte more: this piece is not the last
            yield bytes(buffer[:wanted]), False
            del buffer[:wanted]
            wanted = other
    yield bytes(buffer), True
