"""Whether this device was removed from its account: by the chain, never by a word of the server's.

Source: docs/spec/protocol.md 5.6.
"""

from bridges.kit.api import Api
from bridges.kit.errors import KitError
from crypto import session
from crypto.account import OwnAccount
from crypto.account_chain import AccountChain
from crypto.errors import ProtocolError


async def is_removed(api: Api, own: OwnAccount, server_id: bytes) -> bool:
    """Ask how this device was ended, and verify it; no for whatever goes wrong or does not verify."""
    holder, chain = own.holder, own.chain
    try:
        while not _has_ended(chain, holder.id):
            challenge = (await api.challenge(holder.id)).challenge
            signature = session.answer(holder, server=server_id, challenge=challenge)
            links = await api.end_of_holder(holder.id, challenge, signature, chain.position)
            if not links:
                return False
            chain = chain.extend(links)
    except (KitError, ProtocolError):
        return False
    return True


def _has_ended(chain: AccountChain, holder: bytes) -> bool:
    held = chain.holders.get(holder)
    return held is not None and not held.active
