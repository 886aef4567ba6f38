"""Mails are judged in the order in which they came, while the next is read already."""

import asyncio

import pytest
from nacl.secret import SecretBox

from bridges.mail.inbox import Inbox, Source
from bridges.mail.judging import Judge, Undecided, Verdict
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State


@pytest.fixture
def state(tmp_path):
    box = SecretBox(bytes(32))
    made = State(tmp_path / "mail.db", seal=lambda raw: bytes(box.encrypt(raw)), unseal=box.decrypt)
    yield made
    made.close()


class Deciding:
    """Accepts, but for what a test wants to happen at a mail."""

    def __init__(self, **happens):
        self.happens, self.seen = happens, []

    async def decide(self, taken, reading):
        subject = reading.mail.marks.subject
        self.seen.append(subject)
        if happens := self.happens.pop(subject, None):
            happens()
        return Verdict("accepted")


def keep(inbox: Inbox, *subjects: str) -> None:
    for each in subjects:
        raw = f"From: a@x.fr\r\nMessage-ID: <{each}@x>\r\nSubject: {each}\r\n\r\n{each}\r\n"
        inbox.keep(raw.encode(), Source("dr"))


async def test_what_comes_while_the_last_is_carried_is_judged_too(state):
    inbox = Inbox(state)
    verdicts = Deciding(b=lambda: keep(inbox, "c", "d"))
    keep(inbox, "a", "b")
    async with Sandbox() as sandbox:
        assert await Judge(state, inbox, sandbox, verdicts).judge("dr") == 4
    assert verdicts.seen == ["a", "b", "c", "d"]


async def test_what_could_not_be_decided_waits_with_all_behind_it(state):
    def away() -> None:
        raise Undecided

    inbox, verdicts = Inbox(state), Deciding(b=away)
    keep(inbox, "a", "b", "c")
    async with Sandbox() as sandbox:
        judge = Judge(state, inbox, sandbox, verdicts)
        with pytest.raises(Undecided):
            await judge.judge("dr")
        assert inbox.counts("dr") == {"accepted": 1, "taken": 2}
        assert await judge.judge("dr") == 2
    assert verdicts.seen == ["a", "b", "b", "c"]
    assert inbox.counts("dr") == {"accepted": 3}


class SideBySide:
    """Carries mails side by side; the conversation of a mail is the first letter of its subject, "x" begins one."""

    def __init__(self, away: str = "") -> None:
        self.away, self.now, self.rounds = away, [], []

    def touches(self, taken, reading):
        subject = reading.mail.marks.subject
        return None if subject.startswith("x") else frozenset({subject[:1].encode()})

    async def decide(self, taken, reading):
        subject = reading.mail.marks.subject
        self.now.append(subject)
        await asyncio.sleep(0.05)
        if self.now:
            self.rounds.append(sorted(self.now))
            self.now = []
        if subject == self.away:
            raise Undecided
        return Verdict("accepted")


async def carried(state, inbox: Inbox, verdicts: SideBySide) -> list[list[str]]:
    async with Sandbox() as sandbox:
        await Judge(state, inbox, sandbox, verdicts, verdicts).judge("dr")
    return verdicts.rounds


async def test_mails_of_one_conversation_go_one_after_another_and_the_others_side_by_side(state):
    inbox = Inbox(state)
    keep(inbox, "a1", "b1", "c1", "a2", "b2", "x1", "c2", "d1")
    assert await carried(state, inbox, SideBySide()) == [["a1", "b1", "c1"], ["a2", "b2"], ["x1"], ["c2", "d1"]]
    assert inbox.counts("dr") == {"accepted": 8}


async def test_a_mail_that_refers_to_another_waits_for_it(state):
    inbox = Inbox(state)
    keep(inbox, "a1")
    raw = b"From: a@x.fr\r\nMessage-ID: <b1@x>\r\nIn-Reply-To: <a1@x>\r\nSubject: b1\r\n\r\nb1\r\n"
    inbox.keep(raw, Source("dr"))
    assert await carried(state, inbox, SideBySide()) == [["a1"], ["b1"]]


async def test_what_could_not_be_decided_stops_none_of_its_round(state):
    inbox, verdicts = Inbox(state), SideBySide(away="b1")
    keep(inbox, "a1", "b1", "c1", "d1")
    with pytest.raises(Undecided):
        await carried(state, inbox, verdicts)
    assert inbox.counts("dr") == {"accepted": 3, "taken": 1}
    verdicts.away = ""
    await carried(state, inbox, verdicts)
    assert verdicts.rounds[-1] == ["b1"]
    assert inbox.counts("dr") == {"accepted": 4}
