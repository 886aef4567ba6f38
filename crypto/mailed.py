"""What became of messages as mail, as the bridges that carried them signed it. Source: docs/spec/protocol.md 7.5."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crypto.content import MailState
from crypto.envelope import Message

_RANK: Final[Mapping[MailState, int]] = {"handed": 0, "delivered": 1, "failed": 2}


@dataclass(frozen=True, slots=True)
class Mailed:
    """How far a message is at one bridge. ``reason``: a stable code, only with ``failed``."""

    state: MailState
    reason: str | None = None

    def is_beyond(self, earlier: "Mailed | None") -> bool:
        """Whether this says more than what was said before: a state never goes back."""
        return earlier is None or _RANK[self.state] > _RANK[earlier.state]


def compute(messages: Iterable[Message]) -> dict[bytes, dict[bytes, Mailed]]:
    """By message id and bridge, after these messages in the order of the log."""
    authors: dict[bytes, bytes] = {}
    found: dict[bytes, dict[bytes, Mailed]] = {}
    for message in messages:
        bridge = message.author.id
        for target, state, reason in message.content.payload["states"] if message.content.type == "mailed" else ():
            said, earlier = Mailed(state, reason), found.get(target, {}).get(bridge)
            if authors.get(target, bridge) != bridge and said.is_beyond(earlier):
                found.setdefault(target, {})[bridge] = said
        authors[message.id] = bridge
    return found


def bridges(messages: Iterable[Message]) -> frozenset[bytes]:
    """Give the members behind which mail begins: their device having a message says nothing about the person."""
    return frozenset(message.author.id for message in messages if _is_of_a_bridge(message))


def _is_of_a_bridge(message: Message) -> bool:
    said = message.content
    return said.type == "mailed" or (said.type == "text" and "via" in said.payload)
