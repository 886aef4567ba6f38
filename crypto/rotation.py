"""When the next sender begins a new epoch with the same members. Source: docs/spec/protocol.md 6.4."""

from typing import Final

from crypto.conversation_chain import Accounts, ConversationChain

EPOCH_AGE: Final = 90 * 86_400_000
"""Milliseconds that the keys of an epoch are used at most."""
EPOCH_MESSAGES: Final = 5_000
"""Events of the log that an epoch holds at most: envelopes of every kind and what the server writes between them."""


def due(chain: ConversationChain, accounts: Accounts, me: bytes, *, at: int, events: int) -> bool:
    """Whether ``me`` has to rotate before it seals anything.

    Args:
        chain: the conversation.
        accounts: the newest chains of the members, asked for just now: a renewed user key shows only there.
        me: the member that wants to send.
        at: milliseconds.
        events: how many events of the log follow the newest record.

    """
    member = chain.members.get(me)
    if member is None or member.history != "full" or member.role in {"delegate", "service"}:
        return False  # may not: 6.3
    renewed = any(
        each.kind != "invite" and accounts[each.id].generation > each.generation for each in chain.members.values()
    )
    return renewed or at - chain.head.draft.at > EPOCH_AGE or events >= EPOCH_MESSAGES
