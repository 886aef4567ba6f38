"""What a patient refuses. Source: docs/spec/api.md 4.1."""

from __future__ import annotations

from server.domain.ids import AccountId, b64
from server.transport.rest.operations import Call, Operation, Role
from server.transport.wire import Wire


class Block(Wire):
    account: str
    since: int


class BlocksShown(Wire):
    blocks: list[Block]


async def show(call: Call) -> BlocksShown:
    """List whom one has blocked, newest first."""
    found = await call.services.opposition.blocks(call.who)
    return BlocksShown(blocks=[Block(account=b64(account), since=since) for account, since in found])


async def block(call: Call) -> None:
    """Take nothing more from a professional."""
    await call.services.opposition.block(call.who, AccountId(call.ids["account"]))


async def unblock(call: Call) -> None:
    """Take messages of a professional again."""
    await call.services.opposition.unblock(call.who, AccountId(call.ids["account"]))


_REFUSES = ("not_found", "bad_request", "too_many_tries")

OPERATIONS = (
    Operation(
        name="listBlocks",
        method="GET",
        path="/v1/blocks",
        role=Role.SESSION,
        summary="Whom this account takes nothing from, newest first",
        handler=show,
        response=BlocksShown,
    ),
    Operation(
        name="blockAccount",
        method="PUT",
        path="/v1/blocks/{account}",
        role=Role.SESSION,
        summary="Take nothing more from a professional or a practice",
        handler=block,
        status=204,
        refuses=_REFUSES,
    ),
    Operation(
        name="unblockAccount",
        method="DELETE",
        path="/v1/blocks/{account}",
        role=Role.SESSION,
        summary="Take messages of a professional again",
        handler=unblock,
        status=204,
        refuses=_REFUSES,
    ),
)
