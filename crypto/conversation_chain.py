"""The signed history of who is in a conversation.

Source: docs/spec/protocol.md 6.4, rules 1 to 6 (rule 7 needs keys: ``epoch.open_epochs``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crypto import epoch_record, permission, sign
from crypto.account_chain import AccountChain
from crypto.epoch_record import EpochRecord, Member
from crypto.errors import require
from crypto.permission import Change
from crypto.suite import sha256

Accounts = Mapping[bytes, AccountChain]
"""Accepted account chains by account id; refresh them before accepting what pins a newer position."""


@dataclass(frozen=True, slots=True)
class ConversationChain:
    """The state after an accepted chain. Immutable: ``accept`` gives the next state or refuses."""

    records: tuple[EpochRecord, ...] = field(default=(), repr=False)
    """Record of epoch e at index e - 1."""

    @classmethod
    def replay(cls, wires: Iterable[bytes], accounts: Accounts) -> "ConversationChain":
        """Accept records that the server already holds, epoch 1 first (``settled``: see ``accept``).

        Raises:
            ProtocolError: see ``accept``; ``bad_format`` for no record at all.

        """
        chain = cls()
        for wire in wires:
            chain = chain.accept(wire, accounts, settled=True)
        require(chain.records, "bad_format", "an empty chain")
        return chain

    def accept(self, wire: bytes, accounts: Accounts, *, settled: bool = False) -> "ConversationChain":
        """Accept the next record (the first one on an empty chain).

        Args:
            wire: the record.
            accounts: the chain of each member that is not an invite, and of the author.
            settled: the record was accepted before and is read again, so a device revoked since then still counts.
                A server admitting a new record leaves it false.

        Raises:
            ProtocolError: in this order ``bad_format``, ``unknown_version``, ``fork``, ``not_next``, ``bad_device``,
                ``wrong_member_key``, ``stale_key``, ``bad_signature``, ``not_permitted``.

        """
        record = epoch_record.read(wire)
        self._require_next(record)
        author = _author(record, accounts, settled=settled)
        for member in record.draft.members:
            _require_pinned(member, accounts)
        device = author.holders[record.device].public
        signed = record.signed
        require(sign.verify(device.sign, "epoch", signed.body, signed.signatures[0]), "bad_signature")
        before = self.head.members if self.records else {}
        permission.require_permitted(Change(record, author, before, record.members))
        return ConversationChain((*self.records, record))

    def reconcile(self, served: "ConversationChain") -> "ConversationChain":
        """Compare this known state with a chain received later; returns the longer one.

        Raises:
            ProtocolError: alarms ``fork`` (another history) and ``rollback`` (shorter).

        """
        for known, other in zip(self.records, served.records, strict=False):
            require(known.hash == other.hash, "fork")
        require(len(served.records) >= len(self.records), "rollback")
        return served

    @property
    def id(self) -> bytes:
        """The conversation id: the hash of the first record."""
        return self.records[0].hash

    @property
    def head(self) -> EpochRecord:
        """The newest record."""
        return self.records[-1]

    @property
    def epoch(self) -> int:
        """The newest epoch; 0 on an empty chain."""
        return len(self.records)

    @property
    def members(self) -> dict[bytes, Member]:
        """Members of the newest epoch by id."""
        return self.head.members

    def record(self, epoch: int) -> EpochRecord:
        """The record of an epoch (``unknown_epoch``)."""
        require(1 <= epoch <= self.epoch, "unknown_epoch")
        return self.records[epoch - 1]

    def removed_since(self, epoch: int, until: int) -> bool:
        """Whether somebody left between these epochs."""
        spans = zip(self.records[epoch - 1 : until - 1], self.records[epoch:until], strict=True)
        return any(earlier.members.keys() - later.members.keys() for earlier, later in spans)

    def _require_next(self, record: EpochRecord) -> None:
        if record.epoch <= self.epoch:
            require(record.hash == self.record(record.epoch).hash, "fork", "another record of a known epoch")
        require(record.epoch == self.epoch + 1, "not_next")
        if self.records:
            follows = (record.draft.previous, record.draft.conversation) == (self.head.hash, self.id)
            require(follows, "not_next")


def _author(record: EpochRecord, accounts: Accounts, *, settled: bool) -> AccountChain:
    author = accounts.get(record.draft.author)
    pinned = record.members.get(record.draft.author)
    require(author and pinned, "bad_device", "author")
    assert author
    assert pinned
    require(author.device_at(record.device, pinned.position), "bad_device", "device")
    require(settled or not author.holders[record.device].revoked, "bad_device", "revoked")
    return author


def _require_pinned(member: Member, accounts: Accounts) -> None:
    """Rule 4: a member is pinned as its own chain says. An invite has no chain; its shape was checked on reading."""
    if member.kind == "invite":
        return
    chain = accounts.get(member.id)
    require(chain and member.position <= chain.position, "wrong_member_key", "chain not known that far")
    assert chain
    require(member.head == chain.heads[member.position], "wrong_member_key", "head")
    uk = chain.uks.get(member.generation)
    known = uk and uk.added_at <= member.position and sha256(uk.enc) == member.key
    require(known and member.kind == chain.kind, "wrong_member_key", "key")
    require(member.generation == chain.generation_at(member.position), "stale_key")
