"""A conversation under arbitrary use: added, removed, claimed, raced, replayed, crashed, reordered.

Invariants: members agree on the keys; who was removed opens nothing that follows; who came without history opens nothing
that came before; nothing is accepted twice.
"""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from crypto import account, content, conversation, envelope, holder, invitation
from crypto.conversation_chain import ConversationChain
from crypto.epoch import Roster
from crypto.errors import ProtocolError
from crypto.secret import Secret

NOW = 1_790_000_000_000
NAMES = ("claire", "karim", "jean", "nora", "paul")


def _account(number):
    return account.create(holder.from_seed(Secret(bytes([number]) * 32), kind="device", name=""), at=NOW).own


PEOPLE = {name: _account(number) for number, name in enumerate(NAMES)}
IDS = {own.id: name for name, own in PEOPLE.items()}
CHAINS = {own.id: own.chain for own in PEOPLE.values()}
names = st.sampled_from(NAMES[1:])


@dataclass
class Server:
    """Keeps what it is given; a record that does not extend the head loses the race."""

    records: list = field(default_factory=list)
    boxes: list = field(default_factory=list)
    chain: ConversationChain = field(default_factory=ConversationChain)

    def take(self, new):
        self.chain = self.chain.accept(new.record, CHAINS)
        self.records.append(new.record)
        self.boxes.append(new.boxes)

    def boxes_of(self, member):
        return {number: boxes[member] for number, boxes in enumerate(self.boxes, 1) if member in boxes}


class Conversation(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.server, self.invitations, self.envelopes = Server(), {}, []
        self.told = {}
        new = conversation.create(PEOPLE["claire"], [], Roster("", {}), at=NOW)
        self.server.take(new)

    def opened(self, name):
        """Open everything anew, as after a crash: nothing is kept but the account."""
        own = PEOPLE[name]
        chain = ConversationChain.replay(self.server.records, CHAINS)
        waiting = {public.member: public for public in self.invitations.values()}
        boxes = self.server.boxes_of(own.id)
        return conversation.open_conversation(chain, CHAINS, own.id, own.opening_key, boxes, invitations=waiting)

    def members(self):
        return {IDS[key]: member for key, member in self.server.chain.members.items() if key in IDS}

    def waiting(self):
        return [member for member in self.server.chain.members.values() if member.kind == "invite"]

    @rule(name=names, history=st.sampled_from(["none", "full", "partial"]), data=st.data())
    def add(self, name, history, data):
        opened = self.opened("claire")
        earlier = ()
        if history == "partial":
            earlier = data.draw(st.sets(st.integers(1, opened.chain.epoch), min_size=1))
        seat = conversation.seat(PEOPLE[name].chain, "member", history=history, earlier=sorted(earlier))
        if name in self.members():
            with pytest.raises(ProtocolError):
                conversation.add(PEOPLE["claire"], opened, [seat], at=NOW)
            return
        self.told[name] = set(earlier)
        self.server.take(conversation.add(PEOPLE["claire"], opened, [seat], at=NOW))

    @rule(name=names)
    def remove(self, name):
        opened = self.opened("claire")
        if name not in self.members():
            with pytest.raises(ProtocolError) as refused:
                conversation.remove(PEOPLE["claire"], opened, [PEOPLE[name].id], at=NOW)
            assert refused.value.code == "not_permitted"
            return
        self.server.take(conversation.remove(PEOPLE["claire"], opened, [PEOPLE[name].id], at=NOW))

    @precondition(lambda self: not any(member.role == "patient" for member in self.server.chain.members.values()))
    @rule()
    def invite(self):
        invited = invitation.draw()
        self.invitations[invited] = invited.public
        seat = conversation.invited_seat(invited.public, "patient", expires=NOW + 1)
        self.server.take(conversation.add(PEOPLE["claire"], self.opened("claire"), [seat], at=NOW))

    @precondition(lambda self: self.waiting())
    @rule(name=names)
    def claim(self, name):
        place = self.waiting()[0]
        invited = next(key for key, public in self.invitations.items() if public.member == place.id)
        chain, boxes = self.server.chain, self.server.boxes_of(place.id)
        opened = conversation.open_conversation(chain, CHAINS, place.id, invited.opening_key, boxes)
        if name in self.members():
            with pytest.raises(ProtocolError):
                conversation.claim(PEOPLE[name], opened, invited, at=NOW)
            return
        self.told.pop(name, None)
        self.server.take(conversation.claim(PEOPLE[name], opened, invited, at=NOW))

    @rule(name=st.sampled_from(NAMES))
    def rotate(self, name):
        member = self.members().get(name)
        if member is not None and member.history == "full":
            self.server.take(conversation.rotate(PEOPLE[name], self.opened(name), at=NOW))
        elif member is not None:
            with pytest.raises(ProtocolError) as refused:
                conversation.rotate(PEOPLE[name], self.opened(name), at=NOW)
            assert refused.value.code == "not_permitted"

    @rule()
    def race(self):
        opened = self.opened("claire")
        first, second = (conversation.rotate(PEOPLE["claire"], opened, at=NOW) for _ in range(2))
        self.server.take(first)
        with pytest.raises(ProtocolError) as refused:
            self.server.take(second)
        assert refused.value.code == "fork"

    @rule(number=st.integers(0, 20))
    def replay(self, number):
        record = self.server.records[number % len(self.server.records)]
        with pytest.raises(ProtocolError) as refused:
            self.server.chain.accept(record, CHAINS)
        assert refused.value.code == "not_next"

    @precondition(lambda self: len(self.server.records) > 2)
    @rule(data=st.data())
    def reorder(self, data):
        records = data.draw(st.permutations(self.server.records))
        if records != self.server.records:
            with pytest.raises(ProtocolError):
                ConversationChain.replay(records, CHAINS)

    @rule(name=st.sampled_from(NAMES))
    def say(self, name):
        if name in self.members():
            wire = envelope.seal_message(content.words(name), PEOPLE[name], self.opened(name), at=NOW)
            self.envelopes.append((self.server.chain.epoch, wire))

    @invariant()
    def members_agree_and_others_stay_out(self):
        opened = {name: self.opened(name) for name in NAMES}
        truth = opened["claire"].keyring
        for name in NAMES:
            keyring = opened[name].keyring
            assert all(keys.cek == truth[number].cek for number, keys in keyring.items())
            assert set(keyring) == self.may_read(name), name
        for number, wire in self.envelopes:
            for name in NAMES:
                self.reads_or_not(opened[name], number, wire)

    def reads_or_not(self, opened, number, wire):
        if number in opened.keyring:
            assert envelope.open_message(wire, opened, kind="message").epoch == number
            return
        with pytest.raises(ProtocolError) as refused:
            envelope.open_message(wire, opened, kind="message")
        assert refused.value.code == "unknown_epoch"

    def may_read(self, name):
        """By the records alone: own epochs; all before them with a full history; what was told with a partial one."""
        may = set()
        for record in self.server.chain.records:
            member = record.members.get(PEOPLE[name].id)
            if member is None:
                continue
            may.add(record.epoch)
            if member.history == "full":
                may |= set(range(1, record.epoch))
            elif (
                member.history == "partial"
                and PEOPLE[name].id not in self.server.chain.record(record.epoch - 1).members
            ):
                may |= self.told_at(name, record.epoch)
        return may

    def told_at(self, name, number):
        self.partial = getattr(self, "partial", {})
        return self.partial.setdefault((id(self.server), name, number), frozenset(self.told.get(name, ())))


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_state_before_a_refusal_is_still_good():
    """A crash in the middle leaves nothing half done: states are values."""
    claire, jean = PEOPLE["claire"], PEOPLE["jean"]
    begun = conversation.create(claire, [], Roster("", {}), at=NOW)
    with pytest.raises(ProtocolError):
        conversation.remove(claire, begun.opened, [jean.id], at=NOW)
    with pytest.raises(ProtocolError):
        begun.opened.accept(begun.record, None, claire.id, claire.opening_key)
    added = conversation.add(claire, begun.opened, [conversation.seat(jean.chain, "patient")], at=NOW)
    assert begun.opened.chain.epoch == 1
    assert added.opened.chain.epoch == 2
    known = replace(begun.opened, accounts=CHAINS)
    again = known.accept(added.record, added.boxes[claire.id], claire.id, claire.opening_key)
    assert again.keys == added.opened.keys


def test_who_came_with_a_part_of_the_history_begins_no_epoch_beside_another_such():
    """What the other was given is not all known to whom asks: that too is a refusal."""
    machine = Conversation()
    machine.begin()
    machine.rotate("claire")
    for name in ("karim", "jean"):
        opened = machine.opened("claire")
        seat = conversation.seat(PEOPLE[name].chain, "member", history="partial", earlier=[1])
        machine.server.take(conversation.add(PEOPLE["claire"], opened, [seat], at=NOW))
    with pytest.raises(ProtocolError) as refused:
        conversation.rotate(PEOPLE["jean"], machine.opened("jean"), at=NOW)
    assert refused.value.code == "not_permitted"
