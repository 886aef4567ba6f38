"""Whether a device was removed: what its account signed counts, what a server says does not."""

from types import SimpleNamespace

import pytest

from bridges.kit.errors import RefusedError, UnreachableError
from bridges.kit.removal import is_removed
from crypto import account, holder

SERVER = b"s" * 16


def device(name: str):
    return holder.from_seed(holder.new_seed(), kind="device", name=name)


class Server:
    """Answers the question about the end of a holder with what it was given."""

    def __init__(self, answer) -> None:
        self.answer = answer

    async def challenge(self, holder_id):
        return SimpleNamespace(challenge=b"c" * 32)

    async def end_of_holder(self, holder_id, challenge, signature, after):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def jean():
    """An account with a phone and a laptop, as the phone knows it."""
    phone, laptop = device("Téléphone"), device("Portable")
    made = account.create(phone, at=1)
    own = account.add_holder(made.own, laptop, at=2).own
    return own, account.OwnAccount(own.chain, laptop, own.secrets)


async def test_the_signed_end_of_this_device_counts(jean):
    phone, laptop = jean
    links = list(account.revoke_holder(laptop, phone.holder.id, at=3).links)
    assert await is_removed(Server(links[:1]), phone, SERVER)
    assert not await is_removed(Server(links[:1]), laptop, SERVER)  # it ends another one


async def test_nothing_else_does(jean):
    phone, laptop = jean
    other = account.add_holder(account.create(device("Voleur"), at=1).own, device("Autre"), at=2).own
    theirs = account.revoke_holder(
        other, next(key for key in other.chain.active_holders if key != other.holder.id), at=3
    )
    links = [bytes(each) for each in account.revoke_holder(laptop, phone.holder.id, at=3).links]
    broken = links[0][:-1] + bytes([links[0][-1] ^ 1])
    for answer in (
        [],
        [b"x" * 80],
        [broken],
        links[1:],
        list(theirs.links),
        RefusedError("signature_refused"),
        UnreachableError("bad_answer"),
    ):
        assert not await is_removed(Server(answer), phone, SERVER), answer
