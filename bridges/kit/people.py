"""What people are called, and who is verified."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bridges.kit.log import Log
from bridges.kit.wire import to_text
from crypto.certificate import Certificate
from crypto.conversation import Opened
from crypto.epoch_record import Member


@dataclass(slots=True)
class People:
    """The people of one conversation."""

    certificate: Callable[[bytes], Certificate | None]
    """Gives what the registry key vouches for, by account."""
    opened: Opened
    names: Mapping[bytes, str]
    """What the rosters call members who are not verified."""
    log: Log | None = None

    def name(self, member: bytes) -> str:
        """The certified name, else what the person asked to be called, else the roster's, else the start of the id."""
        certificate = self.certificate(member)
        if certificate:
            return certificate.name
        return self._profiles().get(member) or self.names.get(member) or to_text(member)[:8]

    def _profiles(self) -> dict[bytes, str]:
        messages = self.log.messages if self.log else []
        return {m.author.id: str(m.content.payload["name"]) for m in messages if m.content.type == "profile"}

    def author(self, member: Member) -> dict[str, Any]:
        """Describe who wrote, with the role held at that time."""
        verified = self.certificate(member.id) is not None
        return {"account": to_text(member.id), "name": self.name(member.id), "role": member.role, "verified": verified}

    def members(self) -> list[dict[str, Any]]:
        """Describe everybody who is in the newest epoch. Nobody is left out."""
        return [self._member(member) for member in self.opened.chain.members.values()]

    def _member(self, member: Member) -> dict[str, Any]:
        certificate = self.certificate(member.id)
        return {
            "account": None if member.kind == "invite" else to_text(member.id),
            "name": self.name(member.id),
            "role": member.role,
            "profession": certificate.profession if certificate else None,
            "identifier": certificate.identifier if certificate else None,
            "verified": certificate is not None,
            "history": member.history,
            "invited": member.kind == "invite",
        }
