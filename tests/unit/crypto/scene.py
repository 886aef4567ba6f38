"""People, a conversation, what a server answers about it, and a client that checks all of it."""

import copy
from dataclasses import dataclass, field, replace

import pytest

from crypto import (
    account,
    certificate,
    content,
    conversation,
    envelope,
    epoch_record,
    holder,
    invitation,
    reply_right,
    sign,
)
from crypto.account_chain import AccountChain
from crypto.codec import Signed
from crypto.conversation_chain import ConversationChain
from crypto.epoch import Roster
from crypto.errors import ALARMS, ProtocolError, require

NOW = 1_790_000_000_000
DAY = 86_400_000
RPPS = next(f"1010000123{key}" for key in range(10) if certificate.is_rpps(f"1010000123{key}"))


def device(name="Laptop"):
    return holder.from_seed(holder.new_seed(), kind="device", name=name)


@dataclass
class Served:
    """What a server answers to Jean."""

    chains: dict
    records: list
    boxes: dict
    box: account.HolderBox
    previous: dict
    envelopes: list
    policy: tuple
    inviter: bytes


@dataclass
class Jean:
    """A client: what it remembers, and how it reads."""

    holder: holder.Holder
    registry: bytes
    accounts: dict = field(default_factory=dict)
    chain: ConversationChain | None = None

    def read(self, served):
        accounts = {}
        for links in served.chains.values():
            chain = AccountChain.replay(links)
            known = self.accounts.get(chain.id)
            accounts[chain.id] = known.reconcile(chain) if known else chain
            if chain.certificate:
                certificate.verify(chain.certificate, registry=self.registry, account=chain.id)
        me = next(chain for chain in accounts.values() if self.holder.id in chain.active_holders)
        own = account.open_account(me, self.holder, served.box, served.previous)
        chain = ConversationChain.replay(served.records, accounts)
        if self.chain:
            self.chain.reconcile(chain)
        conversation.require_inviter(chain, served.inviter)
        opened = conversation.open_conversation(chain, accounts, own.id, own.opening_key, served.boxes)
        wires = {envelope.message_id(wire): (wire, kind, newest) for wire, kind, newest in served.envelopes}
        messages = [envelope.open_message(w, opened, kind=kind, newest=newest) for w, kind, newest in wires.values()]
        require(not envelope.withheld(messages), "withheld")
        reply_right.compute(messages).require_mirrored(*served.policy)
        assert opened.roster
        return messages


class Scene:
    """Claire invites Jean; Karim and Mallory are in between; then Mallory goes."""

    def __init__(self):
        self.registry = sign.SigningKey(holder.new_seed())
        self.claire = account.create(device(), at=NOW)
        self.karim, self.mallory = account.create(device(), at=NOW), account.create(device(), at=NOW)
        self.jean, self.phone = account.create(device("Phone"), at=NOW), None
        self.links = {name: list(getattr(self, name).growth.links) for name in ("claire", "karim", "mallory", "jean")}
        self.attest()
        self.converse()
        self.say()

    def attest(self):
        plain = certificate.Certificate(self.claire.own.id, NOW, RPPS, "Dr Claire Martin", "10", "operator")
        self.certificate = certificate.issue(self.registry, plain)
        grown = account.attest(self.claire.own, self.certificate, at=NOW)
        self.links["claire"] += grown.links
        self.claire_own = grown.own

    def converse(self):
        self.invited = invitation.draw()
        place = conversation.invited_seat(self.invited.public, "patient", expires=NOW + DAY)
        first = conversation.create(self.claire_own, [place], Roster("Résultats", {}), at=NOW)
        second = conversation.claim(self.jean.own, first.opened, self.invited, at=NOW)
        seats = [conversation.seat(self.mallory.own.chain, "owner"), conversation.seat(self.karim.own.chain, "member")]
        third = conversation.add(self.claire_own, second.opened, seats, at=NOW)
        fourth = conversation.remove(self.claire_own, third.opened, [self.mallory.own.id], at=NOW)
        self.epochs = [first, second, third, fourth]

    def say(self):
        opened = self.epochs[3].opened
        self.hello = envelope.seal_message(content.words("Bonjour"), self.claire_own, self.epochs[1].opened, at=NOW)
        self.spy = envelope.seal_message(content.words("?"), self.mallory.own, self.epochs[2].opened, at=NOW)
        parents = [envelope.message_id(self.hello)]
        self.answer = envelope.seal_message(content.words("Merci"), self.jean.own, opened, at=NOW, parents=parents)
        self.last = envelope.seal_message(content.words("Bien", reply="none"), self.claire_own, opened, at=NOW)

    def served(self):
        jean = self.jean.own.id
        return Served(
            chains=copy.copy(self.links),
            records=[each.record for each in self.epochs],
            boxes={number: each.boxes[jean] for number, each in enumerate(self.epochs, 1) if jean in each.boxes},
            box=self.jean.growth.boxes[0],
            previous={},
            envelopes=[
                (self.hello, "message", 2),
                (self.spy, "message", 3),
                (self.answer, "message", 4),
                (self.last, "message", 4),
            ],
            policy=("none", None),
            inviter=self.claire.own.id[:16],
        )

    def client(self):
        chains = {chain.id: chain for chain in map(AccountChain.replay, self.links.values())}
        known = ConversationChain.replay([each.record for each in self.epochs[:3]], chains)
        return Jean(self.jean.own.holder, self.registry.public, chains, known)


def forge(record, by, **changes):
    """A record that says something else, signed by ``by``."""
    return epoch_record.write(replace(epoch_record.read(record).draft, **changes), by)


def resigned(forged, original):
    """Another body under the signature of the original."""
    return Signed(Signed.unpack(forged).body, Signed.unpack(original).signatures).pack()


def with_member(record, member, **changes):
    """The members of a record, one of them written otherwise."""
    members = epoch_record.read(record).draft.members
    return tuple(replace(each, **changes) if each.id == member else each for each in members)


class Lies(list):
    """Attacks by the code with which each must end."""

    def ending_with(self, code):
        """Register an attack: it changes what the server answers, and may return a client of its own."""

        def register(function):
            self.append(pytest.param(function, code, id=function.__name__))
            return function

        return register


def require_refused(scene, lie, code):
    """The client refuses the whole answer, with this code, and alarms if the code is an alarm."""
    served = scene.served()
    client = lie(scene, served) or scene.client()
    with pytest.raises(ProtocolError) as refused:
        client.read(served)
    assert refused.value.code == code
    assert refused.value.alarm == (code in ALARMS)
