"""Checking an export offline: every chain, record, envelope, receipt and document. Source: docs/spec/protocol.md 12."""

import hashlib
import json
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Never

import msgspec

from bridges.kit import export, wire
from bridges.kit.conversations import names_of
from bridges.kit.directory import certified
from bridges.kit.errors import AlarmError, UsageError
from bridges.kit.log import Line, Log, receipts_of
from bridges.kit.people import People
from bridges.kit.views import attachments_of, is_receipt
from crypto import envelope
from crypto.account_chain import AccountChain
from crypto.certificate import Certificate
from crypto.content import Attachment, Kind
from crypto.conversation import Opened
from crypto.conversation_chain import ConversationChain
from crypto.envelope import Message
from crypto.epoch import EpochKeys
from crypto.errors import ProtocolError
from crypto.secret import Secret

SMALL: Final = 64 * 1024 * 1024  # bytes of any file that is not a document
ENTRIES: Final = 200_000
_ENVELOPE: Final = re.compile(r"envelopes/([0-9]{8,})-([A-Za-z0-9_-]{43})\.envelope")
_KINDS: Final[tuple[Kind, ...]] = ("message", "receipt", "end")


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``export.json``."""

    v: int
    conversation: wire.B64
    exported_at: int
    server: str
    registry_key: wire.B64
    by: wire.B64


class EpochKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epoch: int
    cek: wire.B64


class Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``keys.json``."""

    epochs: list[EpochKey]


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    id: wire.B64
    kind: Literal["message", "receipt", "end"]


class Gone(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"first": "from"}):
    """``trimmed.json``: what the server no longer had."""

    first: int
    before: int
    places: list[Place]
    documents: list[wire.B64]


@dataclass(frozen=True, slots=True)
class Verified:
    """What holds."""

    manifest: Manifest
    subject: str
    accounts: int
    epochs: int
    messages: int
    documents: int
    retracted: int
    """Messages that the server said were taken back: nothing signed tells, so a reader is told the number."""
    trimmed: dict[str, int] | None
    """Where it begins when not at the beginning of the conversation, and how much is missing: the server's word too."""


def verify(path: Path) -> Verified:
    """Check an export; everything in it is accounted for, and nothing else is in it.

    Raises:
        UsageError: ``file_unreadable``. AlarmError: ``export_differs``. ProtocolError: the check that failed.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Check.of(archive).run()
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError) as error:
        raise AlarmError("export_differs", type(error).__name__) from error


def _differ(what: str) -> Never:
    raise AlarmError("export_differs", what)


@dataclass(slots=True)
class _Check:
    archive: zipfile.ZipFile
    left: set[str]
    """Files not accounted for yet."""

    @classmethod
    def of(cls, archive: zipfile.ZipFile) -> "_Check":
        names = archive.namelist()
        if len(names) != len(set(names)) or len(names) > ENTRIES:
            _differ("files")
        return cls(archive, set(names))

    def run(self) -> Verified:
        manifest = wire.loads(self._take(export.MANIFEST), Manifest)
        if manifest.v != 1:
            _differ("version of the export")
        accounts = self._accounts()
        opened = self._opened(manifest, accounts)
        told = self._take(export.MESSAGES)
        said = json.loads(told)
        gone = {(v["seq"], wire.from_text(v["id"])) for v in said["messages"] if v["type"] == "retracted"}
        trimmed = self._trimmed()
        found = self._log(opened, gone, trimmed)
        self._whole(opened, found, manifest)
        documents = self._documents(found, trimmed)
        subject = self._same_words(manifest, opened, found, told, trimmed)
        if self.left:
            _differ("a file that does not belong")
        shown = sum(not line.trimmed and not is_receipt(line) for line in found.lines)
        missing = export.missing_view(msgspec.to_builtins(trimmed, enc_hook=wire.to_text) if trimmed else None)
        return Verified(manifest, subject, len(accounts), opened.chain.epoch, shown, documents, len(gone), missing)

    def _trimmed(self) -> Gone | None:
        return wire.loads(self._take(export.TRIMMED), Gone) if export.TRIMMED in self.left else None

    def _take(self, name: str, limit: int = SMALL) -> bytes:
        if name not in self.left:
            _differ(name.split("/", maxsplit=1)[0])
        self.left.discard(name)
        if self.archive.getinfo(name).file_size > limit:
            _differ("size of a file")
        return self.archive.read(name)

    def _names(self, folder: str) -> list[str]:
        return sorted(name for name in self.left if name.startswith(folder + "/"))

    def _accounts(self) -> dict[bytes, AccountChain]:
        found = {}
        for name in self._names("accounts"):
            chain = AccountChain.replay(_unpack(self._take(name)))
            if name != f"accounts/{wire.to_text(chain.id)}.chain":
                _differ("name of a chain")
            found[chain.id] = chain
        return found

    def _opened(self, manifest: Manifest, accounts: dict[bytes, AccountChain]) -> Opened:
        records = [self._take(f"epochs/{number}.record") for number in range(1, len(self._names("epochs")) + 1)]
        chain = ConversationChain.replay(records, accounts)
        if chain.id != manifest.conversation:
            _differ("conversation")
        keys = wire.loads(self._take(export.KEYS), Keys)
        ring = {each.epoch: EpochKeys(each.epoch, Secret(each.cek)) for each in keys.epochs}
        for number, key in ring.items():
            if key.commit != chain.record(number).draft.commit:
                raise ProtocolError("wrong_commit")
        return Opened(chain, ring, accounts)

    def _log(self, opened: Opened, gone: set[tuple[int, bytes]], trimmed: Gone | None) -> Log:
        lines = [Line(seq, 0, message, None, retracted=True) for seq, message in gone]
        for place in trimmed.places if trimmed else ():
            if trimmed and place.seq >= trimmed.first:
                raise ProtocolError("withheld", "missing, and younger than what the server keeps")
            lines.append(Line(place.seq, 0, bytes(place.id), None, trimmed=True, kind=place.kind))
        for name in self._names("envelopes"):
            named = _ENVELOPE.fullmatch(name)
            if named is None:
                _differ("name of an envelope")
            message = _open(self._take(name), opened)
            if wire.to_text(message.id) != named[2]:
                _differ("name of an envelope")
            lines.append(Line(int(named[1]), 0, message.id, message))
        lines.sort(key=lambda line: line.seq)
        seqs = [line.seq for line in lines]
        if len(seqs) != len(set(seqs)):
            _differ("order of the envelopes")
        return Log(lines, receipts=receipts_of(lines))

    def _whole(self, opened: Opened, found: Log, manifest: Manifest) -> None:
        """Parents are there and come first. Who came without the history was never given them."""
        places = {line.id: line.seq for line in found.lines}
        author = opened.chain.members.get(manifest.by)
        for line in found.lines:
            for parent in line.message.content.parents if line.message else ():
                if parent in places and places[parent] >= line.seq:
                    _differ("order of the envelopes")
                if parent not in places and author and author.history == "full":
                    raise ProtocolError("withheld")

    def _documents(self, found: Log, trimmed: Gone | None) -> int:
        """Check each document that a message names; one may be missing that only messages before the beginning name."""
        references = {export.document_name(a): a for line in found.lines for a in attachments_of(line)}
        kept = {
            a.id for line in found.lines for a in attachments_of(line) if trimmed is None or line.seq >= trimmed.first
        }
        gone = {bytes(each) for each in trimmed.documents} if trimmed else set()
        if gone & kept or not gone <= {reference.id for reference in references.values()}:
            raise ProtocolError("withheld", "a document is missing that the server keeps")
        here = {name: each for name, each in references.items() if each.id not in gone}
        for name, reference in here.items():
            self._document(name, reference)
        return len(here)

    def _document(self, name: str, reference: Attachment) -> None:
        if name not in self.left:
            _differ("a document is missing")
        self.left.discard(name)
        if self.archive.getinfo(name).file_size != reference.size:
            _differ("size of a document")
        digest = hashlib.sha256()
        with self.archive.open(name) as file:
            while block := file.read(1024 * 1024):
                digest.update(block)
        if digest.digest() != reference.sha256:
            raise ProtocolError("open_failed", "a document is not what was signed")

    def _same_words(self, manifest: Manifest, opened: Opened, found: Log, told: bytes, trimmed: Gone | None) -> str:
        """Compare what people read with what the envelopes say."""
        accounts = opened.accounts

        def certificate(account: bytes) -> Certificate | None:
            return certified(accounts.get(account), manifest.registry_key)

        people = People(certificate, opened, names_of(opened), found)
        subject = opened.roster.subject
        gone = [bytes(each) for each in trimmed.documents] if trimmed else ()
        views = export.plain_views(found, people, gone)
        if told != export.dump({"subject": subject, "messages": views}):
            _differ(export.MESSAGES)
        if self._take(export.PAGE) != export.page(subject, views).encode():
            _differ(export.PAGE)
        return subject


def _unpack(packed: bytes) -> list[bytes]:
    links, at = [], 0
    while at < len(packed):
        (length,) = struct.unpack_from(">I", packed, at)
        if at + 4 + length > len(packed):
            _differ("a chain is cut")
        links.append(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return links


def _open(sealed: bytes, opened: Opened) -> Message:
    for kind in _KINDS:  # the clear kind is the server's affair; the signed type has exactly one
        try:
            return envelope.open_message(sealed, opened, kind=kind)
        except ProtocolError as refused:
            if refused.code != "wrong_kind":
                raise
    raise ProtocolError("wrong_kind")
