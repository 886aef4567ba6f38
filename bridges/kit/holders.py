"""The ways into the own account: which there are, and ending a lost one. Source: docs/spec/protocol.md 3 and 5.2."""

from dataclasses import dataclass
from typing import Final, Literal

from bridges.kit.device import Device, milliseconds
from bridges.kit.errors import RefusedError
from crypto import account
from crypto.account import Growth, OwnAccount
from crypto.account_chain import ChainHolder

State = Literal["active", "retired", "revoked"]
UNLOCKERS: Final = frozenset({"recovery", "passkey"})


@dataclass(frozen=True, slots=True)
class WayIn:
    """A device, recovery code or passkey of the account, as the chain tells it."""

    id: bytes
    kind: str
    name: str
    state: State
    this: bool
    """The device that is asked."""


def ways_in(own: OwnAccount) -> list[WayIn]:
    """List all that there ever were, in the order they came."""
    return [
        WayIn(key, held.public.kind, held.public.name, _state(held), key == own.holder.id)
        for key, held in own.chain.holders.items()
    ]


async def revoke(device: Device, holder: bytes) -> int:
    """End a lost or stolen way in: what is written from now on is closed to it. Gives the generation of the keys.

    A repeat changes nothing, so it is safe. The conversations get new keys from whoever sends next in each (6.4).

    Raises:
        RefusedError: ``not_found`` (no such holder, or retired), ``not_permitted`` (the device that is asked),
            ``unlocker_missing`` (the last recovery code or passkey). UnreachableError. ProtocolError.

    """
    growth = revoking(device.own, holder, at=milliseconds())
    if growth is not None:
        await device.grow(growth)
    return device.own.chain.generation


def revoking(own: OwnAccount, holder: bytes, *, at: int) -> Growth | None:
    """Build what ``revoke`` sends; ``None`` when there is nothing left to do."""
    held = own.chain.holders.get(holder)
    if held is None or _state(held) == "retired":
        raise RefusedError("not_found", "no such way into this account")
    if held.revoked:  # by another device, which may have been cut before the new secret
        return account.rotate(own, at=at) if own.chain.rotation_due else None
    if holder == own.holder.id:
        raise RefusedError("not_permitted", "a device does not revoke itself: ask another one")
    left = [public.kind for key, public in own.chain.active_holders.items() if key != holder]
    if not UNLOCKERS.intersection(left):
        raise RefusedError("unlocker_missing")
    return account.revoke_holder(own, holder, at=at)


def _state(held: ChainHolder) -> State:
    if held.active:
        return "active"
    return "revoked" if held.revoked else "retired"
