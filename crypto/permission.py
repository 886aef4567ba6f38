"""Who may change what in a conversation.

Source: docs/spec/protocol.md 6.3.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from crypto import invitation
from crypto.account_chain import AccountChain
from crypto.epoch_record import EpochRecord, Member
from crypto.errors import require

_UNCHANGED: Final = ("role", "kind", "history")


@dataclass(frozen=True, slots=True)
class Change:
    """Two neighbouring records, seen as a change of members by an author."""

    record: EpochRecord
    author: AccountChain
    before: Mapping[bytes, Member]
    after: Mapping[bytes, Member]

    @property
    def added(self) -> list[Member]:
        """In *after* only."""
        return [member for key, member in self.after.items() if key not in self.before]

    @property
    def removed(self) -> list[Member]:
        """In *before* only."""
        return [member for key, member in self.before.items() if key not in self.after]

    @property
    def by(self) -> Member | None:
        """The author as a member of *before*."""
        return self.before.get(self.author.id)


def require_permitted(change: Change) -> None:
    """Refuse a change that 6.3 does not list.

    Raises:
        ProtocolError: ``not_permitted``; ``weak_key`` and ``bad_signature`` for a claim whose proof is wrong.

    """
    reason = change.record.draft.reason
    _need((reason == "create") == (change.record.epoch == 1), "create begins, and only begins")
    for key in change.before.keys() & change.after.keys():
        old, new = change.before[key], change.after[key]
        _need(all(getattr(old, name) == getattr(new, name) for name in _UNCHANGED), "kept members keep their place")
        _need(new.position >= old.position, "a position decreases")
        if old.kind == "invite":
            _need((new.key, new.expires) == (old.key, old.expires), "an invite stays as it is")
    _RULES[reason](change)


def _create(change: Change) -> None:
    members = list(change.after.values())
    author = change.after[change.author.id]
    owners = [member for member in members if member.role == "owner"]
    _need(author.role in {"owner", "patient"} and author.history == "full", "author of a conversation")
    _need(owners and _one_patient(members), "an owner, and one patient at most")
    _need(not any(member.role == "delegate" for member in members), "delegates come by their patient")
    if author.role == "patient":
        _need(len(owners) == 1 and len(members) == 2, "a patient writes to one owner")


def _add(change: Change) -> None:
    _need_owner(change)
    _need(change.added and not change.removed, "add adds")
    _need(_one_patient(list(change.after.values())), "one patient at most")
    _need(not any(member.role == "delegate" for member in change.added), "delegates come by their patient")


def _remove(change: Change) -> None:
    _need_owner(change)
    _need(change.removed and not change.added, "remove removes")
    stays = [member for member in change.after.values() if member.role == "owner" and member.kind != "invite"]
    _need(stays, "somebody stays responsible")


def _delegate(change: Change) -> None:
    _need(change.by and change.by.role == "patient" and change.by.history == "full", "the patient's right")
    _need(change.added or change.removed, "a delegate comes or goes")
    _need(all(member.role == "delegate" for member in change.added + change.removed), "delegates only")
    position = change.after[change.author.id].position
    _need(all(change.author.delegates_at(member.id, position) for member in change.added), "not named a delegate")


def _claim(change: Change) -> None:
    claim = change.record.draft.claim
    assert claim is not None  # the shape of a record ties claim and reason
    _need(len(change.removed) == 1 and len(change.added) == 1, "one place changes hands")
    place, taker = change.removed[0], change.added[0]
    _need(place.kind == "invite" and place.id == claim.invite, "not the place of the invitation")
    _need(taker.kind == "user" and taker.id == change.author.id, "the author takes the place")
    _need((taker.role, taker.history) == (place.role, place.history), "the place stays what it is")
    record = change.record.draft
    assert record.conversation is not None
    assert record.previous is not None
    invitation.verify_claim(claim, place, account=taker.id, conversation=record.conversation, previous=record.previous)


def _reinvite(change: Change) -> None:
    _need_owner(change)
    _need(len(change.removed) == 1 and len(change.added) == 1, "one invitation for another")
    old, new = change.removed[0], change.added[0]
    _need(old.kind == new.kind == "invite" and old.role == new.role, "one invitation for another")


def _rotate(change: Change) -> None:
    may = change.by and change.by.history == "full" and change.by.role not in {"delegate", "service"}
    _need(may and not change.added and not change.removed, "rotate changes no member")


def _need_owner(change: Change) -> None:
    _need(change.by and change.by.role == "owner" and change.by.history == "full", "an owner with the history")


def _one_patient(members: list[Member]) -> bool:
    return sum(member.role == "patient" for member in members) <= 1


def _need(condition: object, why: str) -> None:
    require(condition, "not_permitted", why)


_RULES: Final[Mapping[str, Callable[[Change], None]]] = {
    "create": _create,
    "add": _add,
    "remove": _remove,
    "delegate": _delegate,
    "claim": _claim,
    "reinvite": _reinvite,
    "rotate": _rotate,
}
