"""Refusing an invitation, and with it the account: nothing is made or kept. Source: docs/spec/protocol.md 9.5."""

from bridges.kit.api import Api
from bridges.kit.claims import Ticket
from bridges.kit.device import connected
from bridges.kit.wire import to_text
from crypto.invitation import Carried


async def refuse(server: str, ticket: Ticket) -> bytes:
    """Tell the server, and through it whoever wrote, that nobody will come. Gives the conversation. May be repeated.

    Raises:
        RefusedError: ``invitation_unknown``, ``invitation_used``, ``invitation_expired``, ``invitation_refused`` …
        UnreachableError. ProtocolError: a code that is not right.

    """
    async with connected(server) as api:
        invited = (await _open(api, ticket)).invitation
        conversation = bytes((await api.invitation(invited.id)).conversation)
        public = invited.public
        body = {
            "sign": to_text(public.sign),
            "enc": to_text(public.enc),
            "signature": to_text(invited.refuse(conversation=conversation)),
        }
        await api.refuse(invited.id, body)
        return conversation


async def _open(api: Api, ticket: Ticket) -> Carried:
    """Give the invitation; for a code, find its box on the server first."""
    if ticket.carried is not None:
        return ticket.carried
    assert ticket.code is not None, "Ticket.read"
    stretched = ticket.code.stretch((await api.server()).code_salt)
    found = await api.invitation_by_code(stretched.locator)
    return stretched.unseal(found.id, found.code_box)
