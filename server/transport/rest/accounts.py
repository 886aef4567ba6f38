"""Accounts, activations, one's own chain and settings, the directory, passkeys. Source: docs/spec/api.md 2."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.domain.account import Account
from server.domain.errors import BadRequestError, NotPermittedError
from server.domain.ids import AccountId, HolderId, b64, unb64
from server.services.growth import HolderBox, NewAccount, SealedPrevious
from server.transport.rest.operations import Call, Operation, Role
from server.transport.wire import Wire

MAX_LINKS = 500


class HolderBoxWire(Wire):
    holder: str
    generation: Annotated[int, msgspec.Meta(ge=1)]
    box: str


class PreviousWire(Wire):
    generation: Annotated[int, msgspec.Meta(ge=2)]
    sealed: str


class CreateAccount(Wire):
    activation: str
    chain: list[str]
    boxes: list[HolderBoxWire]


class AccountCreated(Wire):
    account: str
    certificate: str


class ActivationShown(Wire):
    name: str
    profession: str
    identifier: str
    expires: int


class ProfessionalWire(Wire):
    name: str
    profession: str
    identifier: str
    accepts_patients: bool


class AccountShown(Wire):
    account: str
    kind: str
    position: int
    head: str
    professional: ProfessionalWire | None


class ChainQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)] = -1


class ChainShown(Wire):
    links: list[str]
    position: int
    head: str


class SettingsShown(Wire):
    accepts_patients: bool
    language: str | None


class MeShown(Wire):
    account: str
    holder: str
    role: Literal["professional", "patient"]
    position: int
    head: str
    generation: int
    box: str | None
    box_generation: int | None
    previous: list[PreviousWire]
    settings: SettingsShown


class GrowChain(Wire):
    links: list[str]
    boxes: list[HolderBoxWire] = msgspec.field(default_factory=list)
    previous: list[PreviousWire] = msgspec.field(default_factory=list)


class HeadShown(Wire):
    position: int
    head: str


class ChangeSettings(Wire):
    accepts_patients: bool | msgspec.UnsetType = msgspec.UNSET
    language: Annotated[str, msgspec.Meta(max_length=35)] | msgspec.UnsetType = msgspec.UNSET


class DirectoryQuery(Wire):
    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    open: Literal["1"] | None = None


class Person(Wire):
    account: str
    name: str
    profession: str
    identifier: str


class DirectoryShown(Wire):
    people: list[Person]


class KeepPasskey(Wire):
    holder: str
    blob: str


class PasskeyShown(Wire):
    blob: str


def read_boxes(boxes: list[HolderBoxWire]) -> list[HolderBox]:
    """Read boxes of a user secret.

    Raises:
        BadRequestError.

    """
    return [HolderBox(HolderId(unb64(each.holder, 16)), each.generation, unb64(each.box)) for each in boxes]


def read_new_account(chain: list[str], boxes: list[HolderBoxWire]) -> NewAccount:
    """Read what somebody brings to make an account.

    Raises:
        BadRequestError.

    """
    if len(chain) > MAX_LINKS:
        raise BadRequestError(f"at most {MAX_LINKS} links")
    return NewAccount([unb64(each) for each in chain], read_boxes(boxes))


async def create(call: Call) -> AccountCreated:
    """Make the account of a professional."""
    body: CreateAccount = call.body
    account = await call.services.accounts.create(unb64(body.activation, 32), read_new_account(body.chain, body.boxes))
    return AccountCreated(account=b64(account.id), certificate=b64(account.certificate or b""))


async def show_activation(call: Call) -> ActivationShown:
    """Show what an activation carries."""
    found = await call.services.activations.show(call.ids["token"])
    who = found.professional
    return ActivationShown(name=who.name, profession=who.profession, identifier=who.identifier, expires=found.expires)


async def show(call: Call) -> AccountShown:
    """Show an account."""
    account = await call.services.accounts.show(AccountId(call.ids["account"]))
    who = account.professional
    shown = None
    if who is not None:
        shown = ProfessionalWire(
            name=who.name,
            profession=who.profession,
            identifier=who.identifier,
            accepts_patients=account.accepts_patients,
        )
    return AccountShown(
        account=b64(account.id),
        kind=account.kind,
        position=account.position,
        head=b64(account.head),
        professional=shown,
    )


async def show_chain(call: Call) -> ChainShown:
    """Show the links of an account after a position."""
    account, links = await call.services.accounts.links(AccountId(call.ids["account"]), call.query.after)
    return ChainShown(links=[b64(each) for each in links], position=account.position, head=b64(account.head))


async def me(call: Call) -> MeShown:
    """Show one's own account, with what its holder needs to open it."""
    found = await call.services.accounts.me(call.who)
    account = found.account
    return MeShown(
        account=b64(account.id),
        holder=b64(call.who.holder),
        role="professional" if account.professional else "patient",
        position=account.position,
        head=b64(account.head),
        generation=account.generation,
        box=b64(found.box[1]) if found.box else None,
        box_generation=found.box[0] if found.box else None,
        previous=[PreviousWire(generation=generation, sealed=b64(sealed)) for generation, sealed in found.previous],
        settings=_settings(account),
    )


async def grow(call: Call) -> HeadShown:
    """Append links to one's own chain."""
    body: GrowChain = call.body
    previous = [SealedPrevious(each.generation, unb64(each.sealed)) for each in body.previous]
    links = [unb64(each) for each in body.links]
    account = await call.services.accounts.grow(call.who, links, read_boxes(body.boxes), previous)
    return HeadShown(position=account.position, head=b64(account.head))


async def choose(call: Call) -> SettingsShown:
    """Change one's settings."""
    body: ChangeSettings = call.body
    account = await call.services.accounts.choose(
        call.who, accepts_patients=_given(body.accepts_patients), language=_given(body.language)
    )
    return _settings(account)


async def directory(call: Call) -> DirectoryShown:
    """Find professionals; a patient finds the pharmacies that accept patients."""
    query: DirectoryQuery = call.query
    if query.open is not None:
        found = await call.services.accounts.open_pharmacies()
    elif not call.who.professional:
        raise NotPermittedError("for professionals; ?open=1 is for everybody")
    else:
        found = await call.services.accounts.search(query.q or "")
    people = [(each.id, each.professional) for each in found]
    return DirectoryShown(
        people=[
            Person(account=b64(account), name=who.name, profession=who.profession, identifier=who.identifier)
            for account, who in people
            if who is not None
        ]
    )


async def keep_passkey(call: Call) -> None:
    """Keep the sealed blob of a passkey."""
    body: KeepPasskey = call.body
    holder = HolderId(unb64(body.holder, 16))
    await call.services.accounts.keep_passkey(call.who, call.ids["credential"], holder, unb64(body.blob))


async def show_passkey(call: Call) -> PasskeyShown:
    """Return the sealed blob of a passkey."""
    return PasskeyShown(blob=b64(await call.services.accounts.passkey(call.ids["credential"])))


def _settings(account: Account) -> SettingsShown:
    return SettingsShown(accepts_patients=account.accepts_patients, language=account.language)


def _given(value: Any) -> Any:
    return None if value is msgspec.UNSET else value


OPERATIONS = (
    Operation(
        name="createAccount",
        method="POST",
        path="/v1/accounts",
        role=Role.ANYONE,
        summary="Make the account of a professional from an activation",
        handler=create,
        request=CreateAccount,
        response=AccountCreated,
        status=201,
        refuses=("activation_invalid",),
        knocks=True,
        checks_protocol=True,
    ),
    Operation(
        name="showActivation",
        method="GET",
        path="/v1/activations/{token}",
        role=Role.ANYONE,
        summary="What an activation link carries",
        handler=show_activation,
        response=ActivationShown,
        refuses=("activation_invalid",),
        knocks=True,
    ),
    Operation(
        name="showAccount",
        method="GET",
        path="/v1/accounts/{account}",
        role=Role.SESSION,
        summary="An account: where its chain stands, and what the operator has checked",
        handler=show,
        response=AccountShown,
        refuses=("not_found",),
    ),
    Operation(
        name="showChain",
        method="GET",
        path="/v1/accounts/{account}/chain",
        role=Role.SESSION,
        summary="The links of an account after a position",
        handler=show_chain,
        query=ChainQuery,
        response=ChainShown,
        refuses=("not_found",),
    ),
    Operation(
        name="showMe",
        method="GET",
        path="/v1/me",
        role=Role.SESSION,
        summary="One's own account, with what this session's holder needs to open it",
        handler=me,
        response=MeShown,
    ),
    Operation(
        name="growChain",
        method="POST",
        path="/v1/me/chain",
        role=Role.SESSION,
        summary="Append links to one's own chain",
        handler=grow,
        request=GrowChain,
        response=HeadShown,
        refuses=("stale_head",),
        checks_protocol=True,
    ),
    Operation(
        name="changeSettings",
        method="PUT",
        path="/v1/me/settings",
        role=Role.SESSION,
        summary="Change one's settings",
        handler=choose,
        request=ChangeSettings,
        response=SettingsShown,
        refuses=("not_permitted",),
    ),
    Operation(
        name="searchDirectory",
        method="GET",
        path="/v1/directory",
        role=Role.SESSION,
        summary="Find professionals; with open=1, pharmacies that accept patients",
        handler=directory,
        query=DirectoryQuery,
        response=DirectoryShown,
        refuses=("not_permitted",),
    ),
    Operation(
        name="keepPasskey",
        method="PUT",
        path="/v1/passkeys/{credential}",
        role=Role.SESSION,
        summary="Keep the sealed blob of a passkey",
        handler=keep_passkey,
        request=KeepPasskey,
        status=204,
        refuses=("not_permitted",),
    ),
    Operation(
        name="showPasskey",
        method="GET",
        path="/v1/passkeys/{credential}",
        role=Role.ANYONE,
        summary="The sealed blob of a passkey",
        handler=show_passkey,
        response=PasskeyShown,
        refuses=("not_found",),
        knocks=True,
    ),
)
