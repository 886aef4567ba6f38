"""Conversations as this device knows them: fetched, checked, pinned, opened. Source: docs/spec/protocol.md 6."""

from dataclasses import dataclass, field
from typing import Any

from bridges.kit import wire
from bridges.kit.device import Device, milliseconds
from crypto import conversation as protocol
from crypto import epoch, epoch_record, rotation
from crypto.account_chain import AccountChain
from crypto.conversation import NewEpoch, Opened
from crypto.conversation_chain import ConversationChain
from crypto.epoch import Roster
from crypto.errors import ProtocolError
from crypto.invitation import PublicInvitation


@dataclass(slots=True)
class Conversation:
    """One conversation, up to date as of the last ``sync``."""

    opened: Opened
    detail: wire.Detail
    names: dict[bytes, str]
    """What members are called who are not verified; former members included."""

    @property
    def id(self) -> bytes:
        """The conversation id."""
        return self.opened.id

    @property
    def roster(self) -> Roster:
        """Subject and names in the newest epoch."""
        return self.opened.roster


@dataclass(slots=True)
class Conversations:
    """Keeps the conversations of a device."""

    device: Device
    lines: dict[bytes, dict[bytes, Any]] = field(default_factory=dict)
    """Envelopes opened before, by conversation and id (``log``)."""

    async def sync(self, conversation: bytes) -> Conversation:
        """Bring a conversation up to date: its log, its records, the chains they pin.

        Raises:
            RefusedError: ``not_found``. ProtocolError: whatever is not as it was signed; the alarms of protocol.md 13.

        """
        detail = await self.device.api.conversation(conversation)
        await self._fetch_events(conversation)
        opened = await self._fetch_epochs(conversation, detail)
        return Conversation(opened, detail, names_of(opened))

    async def _fetch_events(self, conversation: bytes) -> None:
        store, api = self.device.store, self.device.api
        last = store.last_seq(conversation)
        while True:
            page = await api.events(conversation, last)
            if page.last_seq < last:
                raise ProtocolError("rollback", "log of the conversation")
            if not page.events:
                return
            await self._require_gapless(conversation, last, page.events)
            with store.together():
                store.add_events(conversation, page.events)
            last = page.events[-1].seq

    async def _require_gapless(self, conversation: bytes, last: int, events: list[wire.Event]) -> None:
        """Notice what is left out (alarm ``withheld``); before it was let in, a member sees nothing, rightly."""
        for event in events:
            if event.seq != last + 1 and last != 0 and not await self._lets_in(conversation, event):
                raise ProtocolError("withheld", "a gap in the log")
            last = event.seq

    async def _lets_in(self, conversation: bytes, event: wire.Event) -> bool:
        """Whether an epoch makes this account a member again. Its record, checked later, names the one before."""
        record = epoch_record.read(event.record) if event.record is not None else None
        if record is None or record.draft.previous is None:
            return False
        entries = await self.device.api.epochs(conversation, record.epoch - 2)
        before = epoch_record.read(entries[0].record) if entries else None
        if before is None or before.hash != record.draft.previous:
            return False
        return self.device.id in record.members and self.device.id not in before.members

    async def _fetch_epochs(self, conversation: bytes, detail: wire.Detail) -> Opened:
        known = self.device.store.epochs(conversation)
        if detail.epoch < len(known):
            raise ProtocolError("rollback", "records of the conversation")
        added: list[wire.EpochEntry] = []
        while page := await self.device.api.epochs(conversation, len(known) + len(added)):
            added += page
        await self._learn_members([entry.record for entry in added])
        records = [record for record, _ in known] + [bytes(entry.record) for entry in added]
        boxes = [box for _, box in known] + [entry.box for entry in added]
        opened = self._open(conversation, records, boxes, _invitations(detail))
        if opened.chain.record(detail.epoch).wire != detail.record:
            raise ProtocolError("fork", "the newest record")
        self.device.store.pin_epochs(conversation, added)
        return opened

    async def _learn_members(self, records: list[bytes]) -> None:
        """Fetch account chains as far as records pin them."""
        wanted: dict[bytes, int] = {}
        for record in records:
            for member in epoch_record.read(record).draft.members:
                if member.kind != "invite":
                    wanted[member.id] = max(member.position, wanted.get(member.id, 0))
        for account, position in wanted.items():
            await self.device.directory.chain(account, position=position)

    def _open(
        self,
        conversation: bytes,
        records: list[bytes],
        boxes: list[bytes | None],
        invitations: dict[bytes, PublicInvitation],
    ) -> Opened:
        own = self.device.own
        accounts = self._accounts(records)
        chain = ConversationChain.replay(records, accounts)
        if chain.id != conversation:
            raise ProtocolError("fork", "another conversation")
        mine = {number: box for number, box in enumerate(boxes, 1) if box is not None}
        opened = protocol.open_conversation(chain, accounts, own.id, own.opening_key, mine, invitations=invitations)
        if own.id in chain.members and chain.epoch not in opened.keyring:
            raise ProtocolError("forged_box", "no box for a member")
        return opened

    def _accounts(self, records: list[bytes]) -> dict[bytes, AccountChain]:
        members = {m.id for record in records for m in epoch_record.read(record).draft.members if m.kind != "invite"}
        found = ((each, self.device.directory.known(each)) for each in members)
        return {each: chain for each, chain in found if chain is not None}

    async def refresh_members(self, conversation: Conversation) -> Conversation:
        """Learn the newest chains of the members: before sealing to them, or when one signed with a new device."""
        directory = self.device.directory
        accounts = [m.id for m in conversation.opened.chain.members.values() if m.kind != "invite"]
        await directory.refresh_all([each for each in accounts if each != self.device.id])
        return self.reopened(conversation)

    def reopened(self, conversation: Conversation) -> Conversation:
        """Open again with the account chains as they are known now."""
        pinned = self.device.store.epochs(conversation.id)
        records, boxes = [record for record, _ in pinned], [box for _, box in pinned]
        opened = self._open(conversation.id, records, boxes, _invitations(conversation.detail))
        return Conversation(opened, conversation.detail, conversation.names)

    def rotation_due(self, conversation: Conversation) -> bool:
        """Whether this device begins an epoch before it sends (6.4); ``refresh_members`` first."""
        opened = conversation.opened
        events = self.device.store.events_in_epoch(opened.id)
        return rotation.due(opened.chain, opened.accounts, self.device.id, at=milliseconds(), events=events)

    async def commit(self, conversation: bytes, new: NewEpoch, invitations: list[dict[str, object]]) -> int:
        """Propose the next epoch; raises RefusedError (``stale_epoch``) when somebody was faster."""
        body = {"record": wire.to_text(new.record), "boxes": boxes_body(new), "invitations": invitations}
        return (await self.device.api.commit_epoch(conversation, body)).epoch


def boxes_body(new: NewEpoch) -> list[dict[str, str]]:
    """Write the boxes of an epoch as the server takes them."""
    return [{"member": wire.to_text(m), "box": wire.to_text(box)} for m, box in new.boxes.items()]


def _invitations(detail: wire.Detail) -> dict[bytes, PublicInvitation]:
    found = (PublicInvitation(bytes(i.id), bytes(i.sign), bytes(i.enc)) for i in detail.invitations)
    return {each.member: each for each in found}


def names_of(opened: Opened) -> dict[bytes, str]:
    """Read what the rosters call people, from the newest epoch back."""
    names: dict[bytes, str] = {}
    for number in sorted(opened.keyring, reverse=True):
        roster = epoch.open_roster(opened.keyring[number], opened.chain.record(number))
        names = {**roster.people, **names}
    return names
