"""The role matrix has a row for every operation: one that is added without a row fails here (reliability.md, goal G8).

A row says whom `test_roles.py` lets ask: everybody but members, everybody but the owner, or only those without a session
because there is nothing of anybody else's behind the address.
"""

from __future__ import annotations

import dataclasses

import pytest

from server.transport.rest.operations import Operation, Role
from server.transport.rest.routes import OPERATIONS
from tests.hostile.test_roles import CLOSED, OF_MEMBERS, OF_OWNERS

OPEN = {
    "showServer", "createAccount", "showActivation", "showPasskey", "askChallenge", "openSession", "showEndOfHolder",
    "showUploads",
    "findInvitationByCode", "showInvitation", "showInvitationEvents", "claimInvitation", "refuseInvitation",
}  # fmt: skip
"""For strangers, on purpose."""
PUBLIC = {"showAccount", "showChain", "searchDirectory"}
"""What every account may know of every other."""
OWN = {
    "showMe", "growChain", "changeSettings", "keepPasskey", "listSessions", "endCurrentSession", "startConversation",
    "listConversations", "listBlocks", "blockAccount", "unblockAccount", "beginUpload", "readFeed", "acknowledgeFeed",
    "issueLiveTicket", "readJournal",
}  # fmt: skip
"""About whoever asks: no id of anybody's in the address, or one that only selects among one's own."""
MEMBERS = {
    "submitEnvelope", "retractEnvelope", "showConversation", "showEpochs", "beginEpoch", "showEvents", "markRead",
    "leaveConversation", "readAttachment",
}  # fmt: skip
ROWS = (OPEN, PUBLIC, OWN, MEMBERS, set(OF_OWNERS))


def misplaced(operations: tuple[Operation, ...]) -> set[str]:
    """Return the operations that have not exactly one row, or one that their role does not allow."""
    wrong = {one.name for one in operations if sum(one.name in row for row in ROWS) != 1}
    for one in operations:
        is_open = one.role in {Role.ANYONE, Role.EITHER}
        if is_open != (one.name in OPEN) or (one.role is Role.MEMBER) != (one.name in MEMBERS):
            wrong.add(one.name)
    return wrong


def test_every_operation_has_one_row():
    assert misplaced(OPERATIONS) == set()
    assert set().union(*ROWS) == {one.name for one in OPERATIONS}, "a row of an operation that is gone"


def test_every_row_is_asked_by_those_who_may_not():
    assert set(CLOSED) == {one.name for one in OPERATIONS} - OPEN
    assert set(OF_MEMBERS) == MEMBERS


@pytest.mark.parametrize("role", list(Role))
def test_an_operation_without_a_row_is_noticed(role: Role):
    added = dataclasses.replace(OPERATIONS[0], name="readEverything", role=role)
    assert misplaced((*OPERATIONS, added)) - misplaced(OPERATIONS) == {"readEverything"}


@pytest.mark.parametrize("name", ["showEvents", "readAttachment", "showMe"])
def test_an_operation_that_becomes_open_is_noticed(name: str):
    changed = tuple(dataclasses.replace(one, role=Role.ANYONE) if one.name == name else one for one in OPERATIONS)
    assert misplaced(changed) - misplaced(OPERATIONS) == {name}
