"""Beginning a conversation: with an account, or with somebody who has none yet. Source: docs/spec/protocol.md 9."""

import json
from dataclasses import dataclass
from typing import Any, Final

from bridges.kit import attachments, wire
from bridges.kit.conversations import boxes_body
from bridges.kit.device import Device, milliseconds
from bridges.kit.errors import UsageError
from bridges.kit.messages import Draft
from bridges.kit.outbox import Letter, Outbox, seal
from bridges.kit.wire import Started, to_text
from crypto import content, invitation
from crypto import conversation as protocol
from crypto.conversation import NewEpoch
from crypto.epoch import Roster
from crypto.epoch_record import Role
from crypto.invitation import Invitation, TypedCode

DAY: Final = 86_400_000  # milliseconds
MAX_NAME: Final = 120  # bytes
MAX_SUBJECT: Final = 200  # bytes


@dataclass(frozen=True, slots=True)
class Invited:
    """A conversation with an invited member. Link and code are secrets to hand over: show them, never log them."""

    started: Started
    link: str
    code: str


@dataclass(slots=True)
class Starting:
    """Begins conversations for one device."""

    device: Device
    outbox: Outbox

    async def invite(self, name: str, subject: str, draft: Draft, *, days: int) -> Invited:
        """Write to a patient who has no account: the message leaves at once.

        Raises:
            UsageError, RefusedError (``start_not_allowed`` …), UnreachableError (a repeat is safe).

        """
        draft.check()
        _require_length(name, MAX_NAME, "name")
        _require_length(subject, MAX_SUBJECT, "subject")
        likeness = self.device.likeness("invite", name, subject, *draft.marks)
        await self.outbox.flush()
        started = self.outbox.earlier(likeness, Started)
        if started is None:
            started = await self._invite(name, subject, draft, likeness, expires=milliseconds() + days * DAY)
        link, code = invitation_of(self.device, started.conversation)
        return Invited(started, link, code)

    async def _invite(self, name: str, subject: str, draft: Draft, likeness: bytes, *, expires: int) -> Started:
        invited, code = invitation.draw(), invitation.draw_code()
        place = protocol.invited_seat(invited.public, "patient", expires=expires)
        roster = Roster(subject, {invited.member: name})
        new = protocol.create(self.device.own, [place], roster, at=milliseconds())
        asked = [self._invitation(invited, code, expires)]
        link = invited.link(self.device.home.server or "", self.device.id)
        secret = self.device.keys.seal(json.dumps([link, code.text()]).encode())
        self.device.store.keep_invitation(new.opened.id, invited.member, secret)
        return await self._start(new, draft, likeness, asked)

    def _invitation(self, invited: Invitation, code: TypedCode, expires: int) -> dict[str, Any]:
        salt = self.device.store.fact("code_salt")
        assert salt is not None, "pin_server"
        stretched = code.stretch(salt)
        return {
            "id": to_text(invited.id),
            "sign": to_text(invited.public.sign),
            "enc": to_text(invited.public.enc),
            "member": to_text(invited.member),
            "expires": expires,
            "locator": to_text(stretched.locator),
            "code_box": to_text(stretched.seal(invited, self.device.id)),
        }

    async def start(self, account: bytes, subject: str, draft: Draft) -> Started:
        """Write to an account; a patient may where the rules allow it. Raises as ``invite``."""
        draft.check()
        _require_length(subject, MAX_SUBJECT, "subject")
        likeness = self.device.likeness("start", to_text(account), subject, *draft.marks)
        await self.outbox.flush()
        if earlier := self.outbox.earlier(likeness, Started):
            return earlier
        chain = await self.device.directory.refresh(account)
        mine, theirs = self._roles(account)
        new = protocol.create(
            self.device.own, [protocol.seat(chain, theirs)], Roster(subject, {}), at=milliseconds(), role=mine
        )
        return await self._start(new, draft, likeness, [])

    async def alone(self, subject: str, draft: Draft) -> Started:
        """Begin a conversation that only this account is in. Raises as ``invite``."""
        draft.check()
        _require_length(subject, MAX_SUBJECT, "subject")
        likeness = self.device.likeness("alone", subject)
        await self.outbox.flush()
        if earlier := self.outbox.earlier(likeness, Started):
            return earlier
        new = protocol.create(self.device.own, [], Roster(subject, {}), at=milliseconds(), role="owner")
        return await self._start(new, draft, likeness, [])

    def _roles(self, account: bytes) -> tuple[Role, Role]:
        directory = self.device.directory
        if directory.certificate(self.device.id) is None:
            return "patient", "owner"
        return "owner", "professional" if directory.certificate(account) else "patient"

    async def _start(self, new: NewEpoch, draft: Draft, likeness: bytes, invitations: list[dict[str, Any]]) -> Started:
        references = [await attachments.upload(self.device, each) for each in draft.documents]
        professional = new.opened.chain.members[self.device.id].role == "owner"
        payload = content.words(draft.text, attachments=references, reply=draft.reply if professional else None)
        letter = Letter(payload, tuple(each.id for each in references))
        submission = json.loads(seal(self.device, new.opened, letter, parents=[]))
        body = wire.dumps(
            {
                "record": to_text(new.record),
                "boxes": boxes_body(new),
                "invitations": invitations,
                "envelope": submission,
            }
        )
        sealed = self.device.keys.seal(letter.pack())
        waiting = self.device.store.put_out(None, likeness, body, sealed, at=milliseconds())
        started = await self.outbox.deliver(waiting)
        self.device.store.take_out(waiting)
        for each in draft.documents:
            attachments.uploaded(self.device, each)
        assert isinstance(started, Started)
        return started


def invitation_of(device: Device, conversation: bytes, member: bytes | None = None) -> tuple[str, str]:
    """Give link and code of an invitation that this home made; empty texts if it did not."""
    sealed = device.store.invitation(conversation, member)
    if sealed is None:
        return "", ""
    link, code = json.loads(device.keys.open(sealed))
    return link, code


def _require_length(text: str, limit: int, what: str) -> None:
    if not 0 < len(text.encode()) <= limit:
        raise UsageError("usage", f"{what}: 1 to {limit} bytes")
