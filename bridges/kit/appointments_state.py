"""What the log says of its appointments: every member computes the same. Source: docs/spec/appointments.md 3 and 4.

``book = Book()``, ``book.take(...)`` for each act in the order of ``seq``, then ``book.appointments[id].state(now)``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridges.kit import appointments
from bridges.kit.appointments import ABOUT, APART, MINUTE, Act, NewerVersionError, Slot
from crypto.errors import ProtocolError

PRACTICE: Final = frozenset({"owner", "professional", "service"})
PATIENT: Final = frozenset({"patient", "delegate"})
_OF_PATIENT: Final = frozenset({"ask", "accept", "refuse", "other_wish", "cannot_come"})
_AFTER_REFUSAL: Final = frozenset({"propose", "offer", "booked", "other_wish", "cancel"})
Verdict = str
OK: Final[Verdict] = "ok"


@dataclass(frozen=True, slots=True)
class Said:
    """An act at its place in the log; ``at`` is when the server accepted it, milliseconds."""

    id: str
    at: int
    author: str
    role: str
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def practice(self) -> bool:
        """Whether the practice says it."""
        return self.role in PRACTICE


@dataclass(slots=True)
class Proposal:
    """The newest proposal."""

    id: str
    slots: list[Slot]
    expires: int
    waiting: bool
    """It is an offer from the waiting list."""
    gone: list[int] = field(default_factory=list)

    def left(self, now: int) -> list[int]:
        """Give the indices that may still be chosen."""
        if now >= self.expires:
            return []
        return [i for i, slot in enumerate(self.slots) if i not in self.gone and slot["start"] > now]


@dataclass(slots=True)
class Choice:
    """An acceptance, or a move or booking by the practice, that waits for its answer."""

    id: str
    index: int | None
    """In the proposal; ``None`` for what the practice itself asks its agenda."""
    slot: Slot
    by: str


@dataclass(slots=True)
class End:
    """How it ended."""

    state: str
    """``cancelled``, ``refused`` or ``no_show``."""
    id: str
    practice: bool
    source: str = "person"
    late: bool = False
    """After the practice's deadline: it tells, and frees nothing."""


@dataclass(slots=True)
class Appointment:
    """One appointment, named by the message that began it."""

    id: str
    about: dict[str, Any] | None = None
    """What the newest proposal or booking says; ``None`` while it is only asked for."""
    concerned: str | None = None
    wish: str | None = None
    proposal: Proposal | None = None
    chosen: Choice | None = None
    booked: Slot | None = None
    booked_by: str | None = None
    """Id of the message that the booking answers, or that booked or moved it: when it came to stand there."""
    failure: str | None = None
    end: End | None = None

    def state(self, now: int) -> str:
        """Give the state at a time, milliseconds."""
        if self.end:
            return self.end.state
        if self.booked:
            return "moving" if self.chosen else "booked"
        if self.chosen:
            return "accepted"
        if self.proposal:
            return "proposed" if self.proposal.left(now) else "expired"
        return "failed" if self.failure else "asked"


@dataclass(slots=True)
class Book:
    """The appointments of a conversation."""

    appointments: dict[str, Appointment] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    available: Said | None = None
    """The newest ``availability``."""

    def take(self, said: Said) -> Verdict:
        """Take the next act of the log; gives its verdict."""
        verdict = self._judge(said)
        self.verdicts[said.id] = verdict
        return verdict

    def _judge(self, said: Said) -> Verdict:
        try:
            act = appointments.read(said.payload)
        except NewerVersionError:
            return "newer_version"
        except ProtocolError:
            return "bad_format"
        if not _permitted(act, said):
            return "not_permitted"
        if act.name in APART:
            self.available = said if act.name == "availability" else self.available
            return OK
        return self._about(act, said)

    def _about(self, act: Act, said: Said) -> Verdict:
        if act.appointment is None:
            of = Appointment(said.id)
            self.appointments[said.id] = of
        elif act.appointment in self.appointments:
            of = self.appointments[act.appointment]
        else:
            return "unknown"
        if of.end and (of.end.state != "refused" or act.name not in _AFTER_REFUSAL):
            return "closed"
        return _EFFECTS[act.name](of, act, said)


def derive(log: Iterable[Said]) -> Book:
    """Read a whole log."""
    book = Book()
    for said in log:
        book.take(said)
    return book


def _permitted(act: Act, said: Said) -> bool:
    if said.role in PATIENT:
        own = act.name in _OF_PATIENT or act.name == "cancel"
        return own and act.fields.get("source") != "agenda"
    return said.practice and act.name not in _OF_PATIENT


# --- effects: each gives a verdict, and changes the appointment only when it is OK ---------------------------------


def _ask(of: Appointment, act: Act, said: Said) -> Verdict:
    del said
    of.wish, of.concerned = act.fields["wish"], act.fields["concerned"]
    return OK


def _propose(of: Appointment, act: Act, said: Said) -> Verdict:
    fields = act.fields
    _begin_anew(of, act)
    of.proposal = Proposal(said.id, fields["slots"], fields["expires"], act.name == "offer")
    return OK


def _begin_anew(of: Appointment, act: Act) -> None:
    """Take what the practice says about it from now on."""
    of.about = {key: act.fields[key] for key in ABOUT}
    of.concerned = act.fields["concerned"]
    of.proposal = of.wish = of.failure = of.end = None


def _booked(of: Appointment, act: Act, said: Said) -> Verdict:
    verdict = _place(of, act, said)
    if verdict == OK:
        _begin_anew(of, act)
    return verdict


def _accept(of: Appointment, act: Act, said: Said) -> Verdict:
    index, proposal = act.fields["slot"], of.proposal
    if proposal is None or proposal.id != act.fields["proposal"]:
        return "superseded"
    verdict = "taken" if of.chosen else _choosable(of, proposal, index, said.at)
    if verdict == OK:
        of.chosen, of.failure = Choice(said.id, index, proposal.slots[index], said.author), None
    return verdict


def _choosable(of: Appointment, proposal: Proposal, index: int, at: int) -> Verdict:
    if index >= len(proposal.slots):
        return "bad_format"
    if index in proposal.gone:
        return "gone"
    slot = proposal.slots[index]
    if at >= min(proposal.expires, slot["start"]):
        return "expired"
    return "same" if of.booked and _same_time(of.booked, slot) else OK


def _refuse(of: Appointment, act: Act, said: Said) -> Verdict:
    if of.proposal is None or of.proposal.id != act.fields["proposal"]:
        return "superseded"
    if of.chosen:
        return "taken"
    of.proposal = None
    if not of.booked:
        of.end = End("refused", said.id, said.practice)
    return OK


def _other_wish(of: Appointment, act: Act, said: Said) -> Verdict:
    del said
    of.wish = act.fields["wish"]
    return OK


def _confirmed(of: Appointment, act: Act, said: Said) -> Verdict:
    del said
    if of.chosen is None or of.chosen.id != act.fields["answers"]:
        return "late"
    of.booked, of.booked_by, of.chosen, of.failure = of.chosen.slot, of.chosen.id, None, None
    return OK


def _failed(of: Appointment, act: Act, said: Said) -> Verdict:
    del said
    if of.chosen is None or of.chosen.id != act.fields["answers"]:
        return "late"
    if act.fields["reason"] == "gone" and of.proposal and of.chosen.slot in of.proposal.slots:
        of.proposal.gone.append(of.proposal.slots.index(of.chosen.slot))
    of.chosen, of.failure = None, act.fields["reason"]
    return OK


def _move(of: Appointment, act: Act, said: Said) -> Verdict:
    return _place(of, act, said) if of.booked or of.chosen else "nothing"


def _place(of: Appointment, act: Act, said: Said) -> Verdict:
    """Let it stand at the time that the practice says: at once, or when the agenda that it stands in has answered."""
    slot = act.fields["slot"]
    stands = of.booked or (of.chosen and of.chosen.slot)
    ref = slot["ref"] or (stands["ref"] if stands else "")
    if act.fields["source"] == "person" and ref:
        return _ask_agenda(of, {**slot, "ref": ref}, said)
    of.booked, of.booked_by, of.chosen, of.failure = slot, said.id, None, None
    return OK


def _ask_agenda(of: Appointment, slot: Slot, said: Said) -> Verdict:
    """Let what the practice asks of its agenda wait for it."""
    if of.booked and _same_time(of.booked, slot):
        return "same"
    of.chosen, of.failure = Choice(said.id, None, slot, said.author), None
    return OK


def _cancel(of: Appointment, act: Act, said: Said) -> Verdict:
    if act.name == "cannot_come" and not (of.booked or of.chosen):
        return "nothing"
    before = of.about["cancel_before"] * MINUTE if of.about else 0
    late = not said.practice and of.booked is not None and said.at > of.booked["start"] - before
    of.end = End("cancelled", said.id, said.practice, act.fields.get("source", "person"), late)
    of.chosen = None
    return OK


def _no_show(of: Appointment, act: Act, said: Said) -> Verdict:
    del act
    if not of.booked:
        return "nothing"
    if said.at < of.booked["start"]:
        return "too_early"
    of.end = End("no_show", said.id, said.practice)
    of.chosen = None
    return OK


def _reminder(of: Appointment, act: Act, said: Said) -> Verdict:
    del said
    return OK if of.booked and of.booked["start"] == act.fields["start"] else "nothing"


def _same_time(one: Slot, other: Slot) -> bool:
    return (one["start"], one["end"]) == (other["start"], other["end"])


_EFFECTS: Final[Mapping[str, Callable[[Appointment, Act, Said], Verdict]]] = {
    "ask": _ask,
    "propose": _propose,
    "offer": _propose,
    "booked": _booked,
    "accept": _accept,
    "refuse": _refuse,
    "other_wish": _other_wish,
    "confirmed": _confirmed,
    "failed": _failed,
    "move": _move,
    "cancel": _cancel,
    "cannot_come": _cancel,
    "no_show": _no_show,
    "reminder": _reminder,
}
