"""Acts about appointments as readable text. Source: docs/spec/appointments.md 2."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bridges.kit.appointments import NewerVersionError, read
from bridges.kit.appointments_reminders import place_of
from bridges.kit.words import say, word
from crypto.errors import ProtocolError

ACTS: Final = {
    "ask": ("Demande de rendez-vous", "Appointment asked for"),
    "propose": ("Rendez-vous proposé", "Appointment proposed"),
    "offer": ("Une place s'est libérée", "A place has become free"),
    "accept": ("Horaire choisi", "Time chosen"),
    "refuse": ("Aucun de ces horaires ne convient", "None of these times suits"),
    "other_wish": ("Autre horaire souhaité", "Another time wished for"),
    "booked": ("Rendez-vous noté par le cabinet", "Appointment noted by the practice"),
    "confirmed": ("Rendez-vous confirmé", "Appointment confirmed"),
    "failed": ("L'horaire n'a pas pu être réservé", "The time could not be booked"),
    "move": ("Rendez-vous déplacé", "Appointment moved"),
    "cancel": ("Rendez-vous annulé", "Appointment cancelled"),
    "cannot_come": ("Ne peut pas venir", "Cannot come"),
    "no_show": ("Absence notée par le cabinet", "Absence noted by the practice"),
    "reminder": ("Rappel de rendez-vous", "Reminder of an appointment"),
    "find": ("Recherche d'horaires libres", "Looking for free times"),
    "availability": ("Horaires libres", "Free times"),
}
REASONS: Final = {
    "gone": ("quelqu'un d'autre a cet horaire", "somebody else has that time"),
    "refused": ("l'agenda ne l'offre pas", "the agenda does not offer it"),
    "unreachable": ("l'agenda ne répond pas", "the agenda does not answer"),
}


@dataclass(slots=True)
class Acts:
    """Writes the acts of one conversation, one after the other: later ones name earlier ones."""

    _zones: dict[str, str] = field(default_factory=dict)
    _slots: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def write(self, message: str, payload: Mapping[str, Any]) -> str:
        """Write an act in a line; ``message`` is its b64 id. One that cannot be read says so."""
        try:
            act = read(payload)
        except NewerVersionError:
            return say("[Rendez-vous : message d'une version plus récente]", "[Appointment: of a newer version]")
        except ProtocolError:
            return say("[Rendez-vous : illisible, sans effet]", "[Appointment: unreadable, of no effect]")
        about = act.appointment or message
        if "zone" in act.fields:
            self._zones[about] = act.fields["zone"]
        if act.name in {"propose", "offer"}:
            self._slots[message] = act.fields["slots"]
        details = " · ".join(self._details(about, act.fields))
        colon = say(" : ", ": ") if details else ""
        return f"[{word(ACTS, act.name)}{colon}{details}]"

    def _details(self, about: str, fields: Mapping[str, Any]) -> Iterator[str]:
        times = [_time(start, self._zones.get(about, "UTC")) for start in self._starts(fields)]
        if times:
            yield f"{', '.join(times)} ({self._zones.get(about, 'UTC')})"
        if fields.get("concerned"):
            yield say(f"pour {fields['concerned']}", f"for {fields['concerned']}")
        if fields.get("reason"):
            yield word(REASONS, fields["reason"])
        yield from (fields[name] for name in ("what", "place", "link", "wish", "note") if fields.get(name))
        if fields.get("bring"):
            yield say("à apporter : ", "to bring: ") + ", ".join(fields["bring"])

    def _starts(self, fields: Mapping[str, Any]) -> list[int]:
        slots, slot = fields.get("slots", []), fields.get("slot")
        if isinstance(slot, int):
            offered = self._slots.get(fields["proposal"], [])
            slots = offered[slot : slot + 1]
        elif slot is not None:
            slots = [slot]
        return [fields["start"]] if "start" in fields else [each["start"] for each in slots]


def _time(milliseconds: int, zone: str) -> str:
    at = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(place_of(zone))
    return at.strftime(say("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M"))
