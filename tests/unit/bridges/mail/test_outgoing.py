"""The queue of mails that leave: leased once, tried again, given up, followed."""

import pytest

from bridges.mail.address import read_address
from bridges.mail.outgoing import GIVE_UP, LEASE, PAUSES, Composed, Outgoing

LEROY = read_address("dr.leroy@chu.mssante.fr")
MAIL = Composed("<pli.1@cabinet.mssante.fr>", read_address("pli@cabinet.mssante.fr"), (LEROY,), b"Subject: x\r\n\r\ny")


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def outgoing(state, clock):
    made = Outgoing(state, clock)
    made.add("cabinet", MAIL, conversation=b"c", message=b"m")
    return made


def test_a_mail_is_leased_to_one_sender(outgoing, clock):
    (leased,) = outgoing.due("cabinet")
    assert (leased.mail, leased.attempts) == (MAIL, 0)
    assert outgoing.due("cabinet") == []
    assert outgoing.due("other") == []
    clock.now += LEASE + 1
    (again,) = outgoing.due("cabinet")  # nobody said how it ended: the same bytes, the same Message-ID
    assert (again.id, again.mail, again.attempts) == (leased.id, MAIL, 1)


def test_a_new_process_does_not_wait_for_the_leases_of_the_old_one(outgoing):
    outgoing.due("cabinet")
    outgoing.release("cabinet")
    assert len(outgoing.due("cabinet")) == 1


def test_the_same_message_id_is_the_same_mail(outgoing):
    outgoing.add("cabinet", MAIL)
    assert len(outgoing.due("cabinet")) == 1
    assert outgoing.knows(MAIL.message_id)
    assert outgoing.recipients(MAIL.message_id) == {"dr.leroy@chu.mssante.fr"}


def test_what_is_sent_goes_no_more_and_its_bytes_are_gone(outgoing, state):
    (leased,) = outgoing.due("cabinet")
    outgoing.sent(leased.id)
    assert outgoing.due("cabinet") == []
    assert state.one("SELECT sealed FROM outgoing") == (b"",)
    assert outgoing.counts("cabinet") == {"sent": 1}


def test_a_refusal_for_now_is_tried_again_later_and_given_up_in_the_end(outgoing, clock):
    for pause in PAUSES:
        (leased,) = outgoing.due("cabinet")
        outgoing.failed(leased.id, permanent=False, text="451 later")
        clock.now += pause - 1
        assert outgoing.due("cabinet") == []
        clock.now += 2
    clock.now += GIVE_UP
    (leased,) = outgoing.due("cabinet")
    outgoing.failed(leased.id, permanent=False, text="451 later")
    (untold,) = outgoing.untold()
    assert (untold.state, untold.said, untold.message) == ("failed", "451 later", b"m")
    outgoing.told(untold.id, untold.state)
    assert outgoing.untold() == []


def test_a_state_never_goes_back(outgoing):
    (leased,) = outgoing.due("cabinet")
    outgoing.sent(leased.id)
    assert outgoing.report(MAIL.message_id, "read", "lu").state == "read"
    assert outgoing.report(MAIL.message_id, "delivered", "").state == "read"
    assert outgoing.report("<unknown@x.fr>", "read", "") is None
    assert outgoing.report(MAIL.message_id, "failed", "550").state == "read"  # it was there


@pytest.mark.parametrize(("first", "second"), [("read", "failed"), ("failed", "read"), ("failed", "failed")])
def test_of_two_ends_the_first_keeps_its_words(outgoing, first, second):
    (leased,) = outgoing.due("cabinet")
    outgoing.sent(leased.id)
    outgoing.report(MAIL.message_id, first, "the first")
    outgoing.report(MAIL.message_id, second, "the second")
    assert [(each.state, each.said) for each in outgoing.untold()] == [(first, "the first")]


@pytest.mark.parametrize("progress", ["delivered", "read", "failed"])
def test_the_end_of_a_try_takes_nothing_back_that_a_report_said(outgoing, clock, progress):
    """The first try broke after the mail was handed over; its report comes while the mail goes a second time."""
    (leased,) = outgoing.due("cabinet")
    outgoing.failed(leased.id, permanent=False, text="lost")
    clock.now += PAUSES[0]
    (again,) = outgoing.due("cabinet")
    outgoing.report(MAIL.message_id, progress, "x")
    outgoing.sent(again.id)
    assert [(each.state, each.said) for each in outgoing.untold()] == [(progress, "x")]
    outgoing.failed(again.id, permanent=True, text="550 again")
    assert [(each.state, each.said) for each in outgoing.untold()] == [(progress, "x")]
    clock.now += GIVE_UP
    assert outgoing.due("cabinet") == []


def test_several_writes_are_all_or_none(state, outgoing):
    other = Composed("<pli.2@cabinet.mssante.fr>", None, (LEROY,), b"x")

    def half():
        with state.together():
            outgoing.add("cabinet", other)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not outgoing.knows(other.message_id)
