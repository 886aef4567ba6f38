"""The rules of conversation (product rules 1, 2, 3, 5, 7), every combination, against a table written by hand."""

from __future__ import annotations

import itertools

import pytest

from server.domain.account import Account, Professional
from server.domain.conversation import CARING, Conversation, History, Keep, Member, Policy, Reply, Role, read_reply
from server.domain.envelope import Kind, admit
from server.domain.errors import (
    BadRequestError,
    DomainError,
    NotFoundError,
    NotPermittedError,
    ReplyNotAllowedError,
    StaleEpochError,
)
from server.domain.opposition import Refusal
from server.domain.place import Place
from server.domain.start import Seat, require_roles, require_start

NOW = 1_000_000
DOCTOR, PHARMACIST, PATIENT, OTHER = b"d" * 32, b"f" * 32, b"p" * 32, b"o" * 32

POLICIES = {
    "open": Policy(Reply.OPEN),
    "none": Policy(Reply.NONE, None, DOCTOR),
    "until later": Policy(Reply.UNTIL, NOW + 1, DOCTOR),
    "until now": Policy(Reply.UNTIL, NOW, DOCTOR),
    "until earlier": Policy(Reply.UNTIL, NOW - 1, DOCTOR),
    "ended": Policy(Reply.ENDED, None, DOCTOR),
}
OPEN_FOR_ANSWERS = {"open", "until later", "until now"}

# Who may send what: "yes" always, "asked" while answers are expected, "no" never.
TABLE = {
    (Role.OWNER, Kind.MESSAGE): "yes",
    (Role.OWNER, Kind.RECEIPT): "yes",
    (Role.OWNER, Kind.END): "yes",
    (Role.PROFESSIONAL, Kind.MESSAGE): "yes",
    (Role.PROFESSIONAL, Kind.RECEIPT): "yes",
    (Role.PROFESSIONAL, Kind.END): "yes",
    (Role.MEMBER, Kind.MESSAGE): "asked",
    (Role.MEMBER, Kind.RECEIPT): "yes",
    (Role.MEMBER, Kind.END): "no",
    (Role.PATIENT, Kind.MESSAGE): "asked",
    (Role.PATIENT, Kind.RECEIPT): "yes",
    (Role.PATIENT, Kind.END): "no",
    (Role.DELEGATE, Kind.MESSAGE): "asked",
    (Role.DELEGATE, Kind.RECEIPT): "yes",
    (Role.DELEGATE, Kind.END): "no",
    (Role.SERVICE, Kind.MESSAGE): "asked",
    (Role.SERVICE, Kind.RECEIPT): "yes",
    (Role.SERVICE, Kind.END): "no",
}


def conversation(policy: Policy, **roles: Role) -> Conversation:
    members = {DOCTOR: Role.OWNER, PATIENT: Role.PATIENT}
    head = Conversation.begun(b"c" * 32, b"h" * 32, NOW)
    head.epoch, head.policy = 3, policy
    head.members = {account: Member(account, role, History.FULL, 1) for account, role in members.items()}
    return head


def attempt(
    role: Role,
    kind: Kind,
    policy: Policy,
    *,
    reply: Policy | Keep | None = None,
    epoch: int = 3,
    writes: bool = True,
    gone: bool = False,
    blocked: bool = False,
):
    head = conversation(policy)
    head.patient_gone = gone
    head.members[OTHER] = sender = Member(OTHER, role, History.FULL, 1, writes)
    return admit(head, sender, kind, epoch=epoch, reply=reply, now=NOW, blocked=blocked)


def test_the_table_names_every_role_and_kind():
    assert set(TABLE) == set(itertools.product(Role, Kind))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("role", "kind"), TABLE)
def test_who_may_send_what_under_which_policy(role, kind, policy):
    word = TABLE[role, kind]
    if word == "yes" or (word == "asked" and policy in OPEN_FOR_ANSWERS):
        attempt(role, kind, POLICIES[policy])
        return
    expected = ReplyNotAllowedError if word == "asked" else NotPermittedError
    with pytest.raises(expected) as refused:
        attempt(role, kind, POLICIES[policy])
    if word == "asked":
        assert refused.value.extra["policy"]["reply"] == POLICIES[policy].reply


@pytest.mark.parametrize(("role", "kind"), TABLE)
@pytest.mark.parametrize("epoch", [2, 4])
def test_another_epoch_is_refused_before_anything_else(role, kind, epoch):
    with pytest.raises(StaleEpochError) as refused:
        attempt(role, kind, POLICIES["ended"], epoch=epoch)
    assert refused.value.extra == {"epoch": 3}


@pytest.mark.parametrize(("role", "kind"), TABLE)
def test_only_a_carers_message_says_whether_answers_are_allowed(role, kind):
    said = Policy(Reply.NONE)
    if role in CARING and kind is Kind.MESSAGE:
        assert attempt(role, kind, POLICIES["open"], reply=said).policy == Policy(Reply.NONE, None, OTHER)
    else:
        with pytest.raises(BadRequestError):
            attempt(role, kind, POLICIES["open"], reply=said)


@pytest.mark.parametrize("before", POLICIES)
@pytest.mark.parametrize("said", [None, "open", "none", {"until": NOW + 5}])
@pytest.mark.parametrize("role", sorted(CARING))
def test_a_carers_message_sets_the_policy_and_reopens(role, said, before):
    reply = read_reply(said) if said is not None else None
    decision = attempt(role, Kind.MESSAGE, POLICIES[before], reply=reply)
    after = reply or Policy()
    assert decision.policy.same_right(after)
    assert decision.changed == (not after.same_right(POLICIES[before]))
    assert decision.policy.by == (OTHER if decision.changed else POLICIES[before].by)


@pytest.mark.parametrize("before", POLICIES)
@pytest.mark.parametrize("role", sorted(set(Role) - CARING))
@pytest.mark.parametrize("kind", [Kind.MESSAGE, Kind.RECEIPT])
def test_nobody_else_changes_the_policy_or_any_right(role, kind, before):
    try:
        decision = attempt(role, kind, POLICIES[before])
    except ReplyNotAllowedError:
        return
    assert (decision.changed, decision.policy) == (False, POLICIES[before])
    assert (decision.grants, decision.ends) == ((), ())


@pytest.mark.parametrize("role", sorted(CARING))
def test_writing_to_a_patient_opens_the_pair_and_ending_ends_it(role):
    assert attempt(role, Kind.MESSAGE, POLICIES["ended"]).grants == ((PATIENT, OTHER),)
    ended = attempt(role, Kind.END, POLICIES["open"])
    assert (ended.ends, ended.grants) == (((PATIENT, OTHER),), ())
    assert ended.policy == Policy(Reply.ENDED, None, OTHER)


@pytest.mark.parametrize("before", POLICIES)
@pytest.mark.parametrize("role", sorted(CARING))
def test_a_message_that_keeps_the_right_neither_opens_nor_closes_nor_grants(role, before):
    decision = attempt(role, Kind.MESSAGE, POLICIES[before], reply=read_reply("keep"))
    assert (decision.changed, decision.policy) == (False, POLICIES[before])
    assert (decision.grants, decision.ends) == ((), ())


@pytest.mark.parametrize(
    ("role", "kind"), [each for each in TABLE if each[0] not in CARING or each[1] is not Kind.MESSAGE]
)
def test_keeping_the_right_is_a_word_of_carers_too(role, kind):
    with pytest.raises(BadRequestError):
        attempt(role, kind, POLICIES["open"], reply=read_reply("keep"))


def test_a_delegate_who_may_only_read_does_not_write():
    attempt(Role.DELEGATE, Kind.RECEIPT, POLICIES["open"], writes=False)
    with pytest.raises(ReplyNotAllowedError):
        attempt(Role.DELEGATE, Kind.MESSAGE, POLICIES["open"], writes=False)


def test_a_stranger_is_told_what_is_told_of_nothing():
    with pytest.raises(NotFoundError) as refused:
        conversation(POLICIES["open"]).member(OTHER)
    assert (refused.value.detail, refused.value.extra) == ("", {})


@pytest.mark.parametrize(
    "said", ["ended", "", 7, {"until": "tomorrow"}, {"until": 1, "x": 2}, {"until": -1}, {"until": 2**53}, [], {}]
)
def test_other_words_about_answers_are_refused(said):
    with pytest.raises(BadRequestError):
        read_reply(said)


# --- what a patient refuses (rule 4) ---------------------------------------------------------------------------------

# patient has left, patient has blocked the sender → the code of a message by anybody else
REFUSED = {
    (False, False): None,
    (False, True): "patient_blocked",
    (True, False): "patient_left",
    (True, True): "patient_left",
}
OPPOSED = list(itertools.product(Role, Kind, POLICIES, (False, True), (False, True)))


@pytest.mark.parametrize(("role", "kind", "policy", "gone", "blocked"), OPPOSED)
def test_what_a_patient_refuses_is_refused_whatever_the_reply_right(role, kind, policy, gone, blocked):
    """Every role, kind and policy: a message fails with the final code before any other; the rest is as without."""
    code = outcome(attempt, role, kind, POLICIES[policy], gone=gone, blocked=blocked)
    final = REFUSED[gone, blocked] if kind is Kind.MESSAGE and role is not Role.PATIENT else None
    assert code == (final or outcome(attempt, role, kind, POLICIES[policy]))


@pytest.mark.parametrize(("role", "policy", "gone", "blocked"), list(itertools.product(Role, POLICIES, (0, 1), (0, 1))))
def test_the_list_says_beforehand_what_a_message_would_be_refused_with(role, policy, gone, blocked):
    place = Place(
        b"c" * 32, 3, b"", None, 1, NOW, POLICIES[policy], role, writes=True, read_seq=0, unread=0,
        patient_gone=bool(gone), blocked=bool(blocked),
    )  # fmt: skip
    code = outcome(attempt, role, Kind.MESSAGE, POLICIES[policy], gone=bool(gone), blocked=bool(blocked))
    assert place.may_answer(NOW) == (code is None)
    assert place.refused == (code if code in set(Refusal) else None)


# --- who may start (rules 1 and 2), who may be what ------------------------------------------------------------------

ACCOUNTS = {
    "doctor": Professional("Claire Martin", "10", "10000000000"),
    "pharmacist": Professional("Karim Haddad", "21", "10000000000"),
    "patient": None,
}


def outcome(decide, *args, **kwargs) -> str | None:
    """Return the code that a decision refuses with, or none."""
    try:
        decide(*args, **kwargs)
    except DomainError as exc:
        return exc.code
    return None


def account(kind: str, *, accepts: bool = False) -> Account:
    made = Account.arriving(kind.encode().ljust(32, b"."), "user")
    made.professional, made.accepts_patients = ACCOUNTS[kind], accepts
    return made


# author, its role, owner it writes to, owner accepts patients, right open → may start
STARTS = [
    (author, role, owner, accepts, right)
    for author in ACCOUNTS
    for role in Role
    for owner in ("doctor", "pharmacist", "patient")
    for accepts in (False, True)
    for right in (False, True)
]


@pytest.mark.parametrize(("author", "role", "owner", "accepts", "right"), STARTS)
def test_who_may_start_a_conversation(author, role, owner, accepts, right):
    other = Seat(account(owner, accepts=accepts), Role.OWNER)
    seat = Seat(account(author), role)
    owner_is_professional = owner != "patient"
    if role is Role.OWNER:
        allowed = author != "patient" and owner_is_professional
    elif role is Role.PATIENT:
        allowed = (right and owner_is_professional) or (owner == "pharmacist" and accepts)
    else:
        allowed = False
    code = outcome(require_start, seat, [other], right=right)
    assert code in ({None} if allowed else {"start_not_allowed", "not_permitted"})


@pytest.mark.parametrize("kind", ACCOUNTS)
@pytest.mark.parametrize("role", Role)
def test_only_the_verified_hold_a_carers_role(kind, role):
    allowed = role not in CARING or kind != "patient"
    assert outcome(require_roles, [Seat(account(kind), role)]) == (None if allowed else "not_permitted")
