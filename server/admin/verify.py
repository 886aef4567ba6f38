"""``pli verify``: is what a data folder or a backup holds still what was accepted?

Every signature, hash and place in an order is checked again with the protocol library, as if it came from a stranger.
A finding says where it is. What a server cannot see (the content of messages) it cannot check: readers do.
"""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pysqlite3.dbapi2 as sqlite

from crypto import certificate, epoch_record
from crypto.account_chain import AccountChain
from crypto.conversation_chain import ConversationChain
from crypto.envelope import message_id, read_header
from crypto.errors import ProtocolError
from crypto.journal import Entry, Head, follow
from crypto.suite import sha256
from server.admin import restore, seal
from server.admin.folder import require_laid_out
from server.admin.terminal import NOT_FOUND, CommandError, progress
from server.domain.ids import b64
from server.domain.retention import DAY, SHORTEST, Trimmed
from server.storage.identity import DATABASE, load_identity

SHOWN: Final = 100  # findings that are told one by one

Finding = dict[str, str]
Check = Iterator[Finding | None]
"""One item for each thing that was looked at: none when it is as it should be."""


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong."""

    checked: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    wrong: int = 0

    def document(self) -> dict[str, Any]:
        """Return the answer of the command."""
        return {"verified": not self.wrong, "checked": self.checked, "wrong": self.wrong, "findings": self.findings}

    def run(self, name: str, check: Check) -> None:
        """Run one check to its end."""
        looked = 0
        try:
            for finding in check:
                looked += 1
                self._note(name, finding)
        except sqlite.DatabaseError as exc:
            self._note(name, _wrong("database", f"it cannot be read: {exc}"))
        self.checked[name] = looked
        progress(f"{name}: {looked} checked")

    def _note(self, name: str, finding: Finding | None) -> None:
        if finding is not None:
            self.wrong += 1
            if len(self.findings) < SHOWN:
                self.findings.append({"check": name, **finding})


def folder(data: Path) -> Report:
    """Verify a data folder, also while its server runs (one state of it is looked at).

    Raises:
        CommandError: ``not_initialised``.

    """
    require_laid_out(data)
    connection = sqlite.connect(f"file:{data / DATABASE}?mode=ro", uri=True, isolation_level=None)
    try:
        return _Audit(connection, data).report()
    finally:
        connection.close()


def backup(file: Path, opener: seal.Opener) -> Report:
    """Verify a backup: its manifest, then everything in it.

    Raises:
        CommandError: ``not_found``, ``backup_damaged``, ``backup_sealed``, ``wrong_key``.

    """
    if not file.is_file():
        raise CommandError("not_found", f"there is no file {file}", status=NOT_FOUND)
    with tempfile.TemporaryDirectory(prefix="pli-verify-", dir=file.parent) as place:
        restore.take_out(file, Path(place), opener)
        progress("every file is what the manifest says")
        return folder(Path(place))


class _Audit:
    """All checks on one state of a database."""

    def __init__(self, connection: Any, data: Path) -> None:
        self._sql: Callable[..., Any] = connection.execute
        self._data = data
        self._registry = load_identity(data).registry.public
        self._chain = functools.lru_cache(maxsize=5_000)(self._replay)

    def report(self) -> Report:
        """Look at everything."""
        report = Report()
        self._sql("BEGIN")
        for name, check in (
            ("database", self._database),
            ("accounts", self._accounts),
            ("conversations", self._conversations),
            ("boxes", self._boxes),
            ("events", self._events),
            ("beginnings of logs", self._beginnings),
            ("feeds", self._feeds),
            ("documents", self._documents),
            ("journals", self._journals),
        ):
            report.run(name, check())
        self._sql("COMMIT")
        return report

    def _database(self) -> Check:
        for (said,) in self._sql("PRAGMA integrity_check").fetchall():
            yield None if said == "ok" else _wrong("database", said)

    # --- accounts -----------------------------------------------------------------------------------------------

    def _replay(self, account: bytes) -> AccountChain | None:
        wires = self._sql("SELECT position, wire FROM link WHERE account = ? ORDER BY position", (account,)).fetchall()
        if [position for position, _ in wires] != list(range(len(wires))):
            return None
        try:
            return AccountChain.replay(wire for _, wire in wires)
        except ProtocolError:
            return None

    def _accounts(self) -> Check:
        rows = self._sql("SELECT id, kind, position, head, generation, name, certificate FROM account")
        for row in rows.fetchall():
            yield self._account(*row)

    def _account(  # noqa: PLR0917  # the columns of a row
        self, account: bytes, kind: str, position: int, head: bytes, generation: int, name: str | None, issued: bytes
    ) -> Finding | None:
        where = f"account {b64(account)}"
        chain = self._chain(account)
        if chain is None:
            return _wrong(where, "its chain is not accepted any more")
        if (chain.id, chain.kind, chain.position, chain.head, chain.generation) != (
            account, kind, position, head, generation,
        ):  # fmt: skip
            return _wrong(where, "its chain says something else than its row")
        active = {row[0] for row in self._sql("SELECT id FROM holder WHERE account = ? AND active = 1", (account,))}
        if active != set(chain.active_holders):
            return _wrong(where, "its holders are not those of its chain")
        if name is not None:
            try:
                certificate.verify(issued, registry=self._registry, account=account)
            except ProtocolError as exc:
                return _wrong(where, f"its certificate: {exc.code}")
        return None

    # --- conversations ------------------------------------------------------------------------------------------

    def _conversations(self) -> Check:
        rows = self._sql("SELECT id, epoch, head, last_seq FROM conversation")
        for row in rows.fetchall():
            yield self._conversation(*row)

    def _conversation(self, conversation: bytes, epoch: int, head: bytes, last_seq: int) -> Finding | None:
        where = f"conversation {b64(conversation)}"
        rows = self._sql(
            "SELECT p.record, p.hash, e.type FROM epoch p"
            " LEFT JOIN event e ON e.conversation = p.conversation AND e.seq = p.seq"
            " WHERE p.conversation = ? ORDER BY p.epoch",
            (conversation,),
        ).fetchall()
        try:
            chain = self._accepted([row[0] for row in rows])
        except ProtocolError as exc:
            return _wrong(where, f"its records are not accepted any more: {exc.code}")
        if (chain.id, chain.epoch, chain.head.hash) != (conversation, epoch, head):
            return _wrong(where, "its records say something else than its row")
        if any((record.hash, "epoch") != row[1:] for record, row in zip(chain.records, rows, strict=True)):
            return _wrong(where, "an epoch is not where its log says")
        newest = self._sql("SELECT max(seq) FROM event WHERE conversation = ?", (conversation,)).fetchone()[0]
        return None if newest == last_seq else _wrong(where, f"its log ends at {newest}, its row says {last_seq}")

    def _accepted(self, wires: list[bytes]) -> ConversationChain:
        ids = {
            member.id for wire in wires for member in epoch_record.read(wire).draft.members if member.kind != "invite"
        }
        chains = {each: chain for each in ids if (chain := self._chain(each)) is not None}
        return ConversationChain.replay(wires, chains)

    def _boxes(self) -> Check:
        promised: dict[bytes, bytes] = {}
        place: tuple[bytes, int] | None = None
        rows = self._sql(
            "SELECT b.conversation, b.epoch, b.member, b.box, p.record FROM epoch_box b"
            " LEFT JOIN epoch p ON p.conversation = b.conversation AND p.epoch = b.epoch"
            " ORDER BY b.conversation, b.epoch"
        )
        for conversation, epoch, member, box, record in rows:
            if place != (conversation, epoch):
                place, promised = (conversation, epoch), _promised(record)
            fits = promised.get(member) == sha256(box)
            yield (
                None
                if fits
                else _wrong(
                    f"conversation {b64(conversation)} epoch {epoch}", f"the box of {b64(member)} is not the signed one"
                )
            )

    # --- the log and the feeds ----------------------------------------------------------------------------------

    def _events(self) -> Check:
        rows = self._sql(
            "SELECT e.conversation, e.seq, e.type, e.epoch, e.envelope_id, e.body, COALESCE(b.first, 1) FROM event e"
            " LEFT JOIN log_beginning b ON b.conversation = e.conversation ORDER BY e.conversation, e.seq"
        )
        last: tuple[bytes, int] = (b"", 0)
        for conversation, seq, kind, epoch, envelope_id, body, first in rows:
            due = last[1] + 1 if conversation == last[0] else 1
            last = (conversation, seq)
            where = f"conversation {b64(conversation)} seq {seq}"
            if seq != due:
                yield _wrong(where, f"a gap in the log: {due} is missing")
            elif kind != "envelope":
                yield None
            elif body is None:
                yield (
                    None
                    if seq < first or self._taken_back(conversation, seq)
                    else _wrong(where, "its bytes are missing, and nobody took them back")
                )
            else:
                yield _envelope(where, conversation, epoch, envelope_id, body)

    def _taken_back(self, conversation: bytes, seq: int) -> bool:
        """Whether a later event says so."""
        asked = "SELECT detail FROM event WHERE conversation = ? AND seq > ? AND type = 'retracted'"
        return any(json.loads(detail)["target_seq"] == seq for (detail,) in self._sql(asked, (conversation, seq)))

    def _beginnings(self) -> Check:
        """What the server stores of where logs begin is what it told the members."""
        told = self._sql(
            "SELECT conversation, seq, at, detail FROM event WHERE type = 'trimmed' ORDER BY conversation, seq"
        )
        newest = {conversation: (seq, at, json.loads(detail)) for conversation, seq, at, detail in told.fetchall()}
        rows = self._sql("SELECT conversation, first, before, cleared FROM log_beginning").fetchall()
        for conversation in newest.keys() - {row[0] for row in rows}:
            yield _wrong(f"conversation {b64(conversation)}", "its log was told to begin later, and its row is missing")
        for conversation, first, before, cleared in rows:
            yield self._beginning(Trimmed(first, before), cleared, newest.get(conversation), conversation)

    def _beginning(
        self, kept: Trimmed, cleared: int, told: tuple[int, int, dict[str, int]] | None, conversation: bytes
    ) -> Finding | None:
        where = f"conversation {b64(conversation)}"
        if told is None:
            return _wrong(where, f"its log begins at {kept.first}, and no member was told")
        seq, at, said = told
        if said != {"from": kept.first, "before": kept.before} or cleared > kept.first or kept.first > seq:
            return _wrong(where, f"its log begins at {kept.first}, its members were told {said.get('from')}")
        if kept.before > at - SHORTEST * DAY:
            return _wrong(where, f"messages younger than {SHORTEST} days were let go")
        younger = self._sql(
            "SELECT MIN(seq) FROM event WHERE conversation = ? AND seq < ? AND at >= ?",
            (conversation, kept.first, kept.before),
        ).fetchone()[0]
        return None if younger is None else _wrong(f"{where} seq {younger}", "it was let go before its time")

    def _feeds(self) -> Check:
        begins = dict(self._sql("SELECT account, first FROM feed_beginning").fetchall())
        rows = self._sql(
            "SELECT f.account, f.position, e.seq FROM feed f"
            " LEFT JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq ORDER BY f.account, f.position"
        )
        last: tuple[bytes, int] = (b"", 0)
        for account, position, seq in rows:
            due = last[1] + 1 if account == last[0] else begins.get(account, 1)
            last = (account, position)
            where = f"feed of {b64(account)} position {position}"
            if position != due:
                yield _wrong(where, f"a gap in the feed: {due} is missing")
            else:
                yield None if seq is not None else _wrong(where, "the event that it names is missing")

    # --- documents ----------------------------------------------------------------------------------------------

    def _documents(self) -> Check:
        rows = self._sql(
            "SELECT DISTINCT l.attachment, a.size, a.received FROM attachment_link l"
            " LEFT JOIN attachment a ON a.id = l.attachment"
        )
        for attachment, size, received in rows:
            path = self._data / "blobs" / attachment.hex()[:2] / attachment.hex()
            where = f"document {b64(attachment)}"
            if size is None or received != size:
                yield _wrong(where, "a message names it, but it never arrived")
            elif not path.is_file():
                yield _wrong(where, "its file is missing")
            else:
                found = path.stat().st_size
                yield None if found == size else _wrong(where, f"its file has {found} bytes instead of {size}")

    # --- access journals ----------------------------------------------------------------------------------------

    def _journals(self) -> Check:
        ends = self._sql("SELECT account, first, last, head FROM journal_end ORDER BY account").fetchall()
        strays = "SELECT DISTINCT account FROM journal WHERE account NOT IN (SELECT account FROM journal_end)"
        for (account,) in self._sql(strays).fetchall():
            yield _wrong(f"journal of {b64(account)}", "its end is missing")
        for account, first, last, head in ends:
            yield self._journal(account, first, Head(last, head))

    def _journal(self, account: bytes, first: int, end: Head) -> Finding | None:
        where = f"journal of {b64(account)}"
        rows = self._sql(
            "SELECT position, kind, at, who, conversation, attachment, previous FROM journal"
            " WHERE account = ? ORDER BY position",
            (account,),
        )
        known = None if first > 1 else Head()
        for row in rows:
            entry = Entry(*row)
            known = known or Head(first - 1, entry.previous)  # what retention has removed is named by what follows it
            try:
                known = follow(account, known, [entry])
            except ProtocolError as exc:
                return _wrong(
                    f"{where} position {entry.position}", f"it does not follow from the one before: {exc.code}"
                )
        if known is None:
            return None if end.position == first - 1 else _wrong(where, f"{first} to {end.position} are missing")
        return None if known == end else _wrong(where, f"it ends at {known.position} and should at {end.position}")


def _promised(record: bytes | None) -> dict[bytes, bytes]:
    try:
        return {} if record is None else {each.id: each.box for each in epoch_record.read(record).draft.members}
    except ProtocolError:
        return {}


def _envelope(where: str, conversation: bytes, epoch: int, envelope_id: bytes, body: bytes) -> Finding | None:
    if message_id(body) != envelope_id:
        return _wrong(where, "its bytes are not those that were accepted")
    try:
        header = read_header(body)
    except ProtocolError as exc:
        return _wrong(where, f"not an envelope: {exc.code}")
    same = header.conversation == conversation[: len(header.conversation)] and header.epoch == epoch
    return None if same else _wrong(where, "it belongs elsewhere")


def _wrong(where: str, problem: str) -> Finding:
    return {"where": where, "problem": problem}
