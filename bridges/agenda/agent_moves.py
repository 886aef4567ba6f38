"""What the automate makes of a move or booking that a person of the practice asks for.

Source: docs/spec/appointments.md 4 and 6. It is written like a choice of the patient (held, made or moved, read back),
but the practice asked: when it cannot be, nothing is proposed to the patient, and the practice is told why.
"""

from collections.abc import Sequence

from bridges.agenda.agent_writing import Failure
from bridges.agenda.provider import Appointment
from bridges.kit.appointments_log import Placed
from bridges.kit.appointments_state import Choice

_LONGEST = 200  # bytes of a slot's name
_ASKING = frozenset({"booked", "move"})


def asked(choice: Choice) -> bool:
    """Whether what waits for the agenda is what the practice asks of it, not a choice of the patient."""
    return choice.index is None


def reason(acts: Sequence[Placed], choice: Choice, failed: Failure) -> Failure:
    """Why it could not be: nobody "has" a time typed by hand that the agenda does not offer."""
    said = next(each.said.payload for each in acts if each.said.id == choice.id)
    return "refused" if asked(choice) and not said["slot"]["ref"] else failed


def failed(acts: Sequence[Placed], appointment: str) -> bool:
    """Whether the newest failure of an appointment answers the practice."""
    told = [each.said.payload for each in acts if each.said.practice and each.said.payload.get("act") == "failed"]
    answered = [each.get("answers") for each in told if each.get("appointment") == appointment]
    own = {each.said.id for each in acts if each.said.payload.get("act") in _ASKING}
    return bool(answered) and answered[-1] in own


def named(entry: Appointment) -> str:
    """Give the agenda's own name for where it stands now: a slot with a name is moved in the agenda first."""
    return entry.reference if len(entry.reference.encode()) <= _LONGEST else "moved"
