"""Invitations: looked at without an account, taken by one. Source: docs/spec/api.md 7."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from server.domain.errors import BadRequestError, InvitationUnknownError
from server.domain.ids import InvitationId, b64, unb64
from server.services.invitations import Claim, Page
from server.transport import wire
from server.transport.rest.accounts import HolderBoxWire, read_new_account
from server.transport.rest.conversations import LATEST, EventsShown, MemberBox, read_epoch
from server.transport.rest.limits import tries
from server.transport.rest.operations import Answer, Call, Operation, Role
from server.transport.rest.sessions import keep
from server.transport.wire import Wire

_AMONG_CHAINS = 4 + 32 + 4  # bytes of a place among the chains: records, account, links


class EpochBox(Wire):
    epoch: int
    box: str


class AccountChainShown(Wire):
    account: str
    links: list[str]


class InvitationShown(Wire):
    id: str
    conversation: str
    member: str
    state: Literal["open"]
    expires: int
    record: str
    epochs: list[str]
    boxes: list[EpochBox]
    chains: list[AccountChainShown]
    registry_key: str
    next: str | None


class InvitationQuery(Wire):
    after: str | None = None


class CodeShown(Wire):
    id: str
    code_box: str


class EventsQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 100


class NewAccountWire(Wire):
    chain: list[str]
    boxes: list[HolderBoxWire]


class ClaimInvitation(Wire):
    account: NewAccountWire | None
    sign: str
    enc: str
    record: str
    boxes: list[MemberBox]
    cookie: bool = False


class RefuseInvitation(Wire):
    sign: str
    enc: str
    signature: str


class InvitationClaimed(Wire):
    account: str
    conversation: str
    epoch: int
    seq: int


async def show(call: Call) -> InvitationShown:
    """Show an open invitation with a page of what its holder needs to open the conversation."""
    page = _page(call.query.after)
    with tries(call.limits.invitation_address, call.address, InvitationUnknownError):
        preview = await call.services.invitations.preview(_invitation(call), page)
    found = preview.invitation
    return InvitationShown(
        id=b64(found.id),
        conversation=b64(found.conversation),
        member=b64(found.member),
        state="open",
        expires=found.expires,
        record=b64(preview.newest),
        epochs=[b64(record) for _, _, record, _ in preview.epochs],
        boxes=[EpochBox(epoch=epoch, box=b64(box)) for epoch, _, _, box in preview.epochs if box is not None],
        chains=[
            AccountChainShown(account=b64(account), links=[b64(each) for each in links])
            for account, links in preview.chains.items()
        ],
        registry_key=b64(call.services.identity.registry.public),
        next=_next(preview.next) if preview.next else None,
    )


def _next(page: Page) -> str:
    if page.account is None:
        return b64(page.epoch.to_bytes(4, "big"))
    return b64(page.epoch.to_bytes(4, "big") + page.account + (page.position + 1).to_bytes(4, "big"))


def _page(text: str | None) -> Page:
    """Read what ``_next`` has written.

    Raises:
        BadRequestError.

    """
    raw = unb64(text) if text is not None else bytes(4)
    epoch = int.from_bytes(raw[:4], "big")
    if len(raw) == 4:
        return Page(epoch)
    if len(raw) != _AMONG_CHAINS:
        raise BadRequestError("after: what an answer has called next")
    return Page(epoch, raw[4:36], int.from_bytes(raw[36:], "big") - 1)


async def by_code(call: Call) -> CodeShown:
    """Show the box that a typed code opens."""
    with tries(call.limits.code_address, call.address, InvitationUnknownError):
        found = await call.services.invitations.by_code(call.ids["locator"])
    return CodeShown(id=b64(found.id), code_box=b64(found.code_box or b""))


async def events(call: Call) -> Answer:
    """Show the letter to an open invitation, before there is an account."""
    query: EventsQuery = call.query
    with tries(call.limits.invitation_address, call.address, InvitationUnknownError):
        member, found, last = await call.services.invitations.events(
            _invitation(call), after=query.after, limit=query.limit
        )
    return Answer(wire.events_json(found, member, last))


async def refuse(call: Call) -> None:
    """End an invitation for whoever holds it and wants no account."""
    body: RefuseInvitation = call.body
    keys = unb64(body.sign, 32), unb64(body.enc, 1_216)
    with tries(call.limits.invitation_address, call.address, InvitationUnknownError):
        await call.services.opposition.refuse(_invitation(call), keys, unb64(body.signature, 64))


async def claim(call: Call) -> Answer:
    """Take the place of an invitation, with a new account or one's own."""
    body: ClaimInvitation = call.body
    brought = Claim(
        epoch=read_epoch(body.record, body.boxes, []),
        sign=unb64(body.sign, 32),
        enc=unb64(body.enc, 1_216),
        account=read_new_account(body.account.chain, body.account.boxes) if body.account else None,
        wants_session=body.cookie,
    )
    with tries(call.limits.invitation_address, call.address, InvitationUnknownError):
        claimed = await call.services.invitations.claim(call.principal, _invitation(call), brought)
    shown = InvitationClaimed(
        account=b64(claimed.account),
        conversation=b64(claimed.conversation),
        epoch=claimed.epoch,
        seq=claimed.seq,
    )
    answer = Answer(shown, 201)
    if claimed.opened is not None:
        keep(answer, call, claimed.opened)
    return answer


def _invitation(call: Call) -> InvitationId:
    return InvitationId(call.ids["invitation"])


_ENDED = (
    "invitation_unknown",
    "invitation_used",
    "invitation_expired",
    "invitation_replaced",
    "invitation_refused",
    "too_many_tries",
)

OPERATIONS = (
    Operation(
        name="findInvitationByCode",
        method="GET",
        path="/v1/invitations/code/{locator}",
        role=Role.ANYONE,
        summary="The box that a typed code opens",
        handler=by_code,
        response=CodeShown,
        refuses=_ENDED,
        knocks=True,
    ),
    Operation(
        name="showInvitation",
        method="GET",
        path="/v1/invitations/{invitation}",
        role=Role.ANYONE,
        summary="An open invitation, with all that its holder needs to open the conversation",
        handler=show,
        query=InvitationQuery,
        response=InvitationShown,
        refuses=_ENDED,
        knocks=True,
    ),
    Operation(
        name="showInvitationEvents",
        method="GET",
        path="/v1/invitations/{invitation}/events",
        role=Role.ANYONE,
        summary="The letter, before there is an account; nothing counts as delivered",
        handler=events,
        query=EventsQuery,
        response=EventsShown,
        refuses=_ENDED,
        knocks=True,
    ),
    Operation(
        name="refuseInvitation",
        method="POST",
        path="/v1/invitations/{invitation}/refuse",
        role=Role.ANYONE,
        summary="Whoever holds an invitation wants no account",
        handler=refuse,
        request=RefuseInvitation,
        status=204,
        refuses=_ENDED,
        knocks=True,
        checks_protocol=True,
    ),
    Operation(
        name="claimInvitation",
        method="POST",
        path="/v1/invitations/{invitation}/claim",
        role=Role.EITHER,
        summary="Take the place of an invitation, with a new account or one's own",
        handler=claim,
        request=ClaimInvitation,
        response=InvitationClaimed,
        status=201,
        refuses=(*_ENDED, "stale_epoch", "not_permitted", "unlocker_missing", "unauthenticated"),
        knocks=True,
        checks_protocol=True,
    ),
)
