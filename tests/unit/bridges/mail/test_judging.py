"""Mails are judged in the order in which they came, while the next is read already."""

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
