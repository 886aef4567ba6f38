"""Who may start a conversation, and who may hold which role (product rules 1, 2 and 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.domain.account import Account
from server.domain.conversation import CARING, Role
from server.domain.errors import NotPermittedError, StartNotAllowedError


@dataclass(frozen=True, slots=True)
class Seat:
    """An account in the role that a record gives it."""

    account: Account
    role: Role


def require_start(author: Seat, others: Iterable[Seat], *, right: bool) -> None:
    """Decide whether ``author`` may start a conversation with ``others`` (invitations left out).

    ``right`` says whether the author, as a patient, may open a subject with the one owner among them (rule 1).

    Raises:
        StartNotAllowedError, NotPermittedError.

    """
    if author.role is Role.OWNER:
        if author.account.professional is None:
            raise StartNotAllowedError("only a professional starts a conversation")
    elif author.role is Role.PATIENT:
        owners = [each.account for each in others if each.role is Role.OWNER]
        if not right and not (len(owners) == 1 and owners[0].open_pharmacy):
            raise StartNotAllowedError("no professional has opened this right")
    else:
        raise StartNotAllowedError("the owner or the patient starts a conversation")
    require_roles([author, *others])


def require_roles(seats: Iterable[Seat]) -> None:
    """Refuse a carer's role for an account that nobody has checked.

    Raises:
        NotPermittedError.

    """
    for seat in seats:
        if seat.role in CARING and seat.account.professional is None:
            raise NotPermittedError("this role is for professionals")
