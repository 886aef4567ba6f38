"""What the automate says about partners' appointments, to the practice and in conversations."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridges.agenda.coming.table import Standing
from bridges.kit.words import say

DAYS_FR: Final = ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim.")
DAYS_EN: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def when(start: datetime, end: datetime, zone: str) -> str:
    """Give a time as people of the place read it, with its zone."""
    place = ZoneInfo(zone)
    first, last = start.astimezone(place), end.astimezone(place)
    day = say(DAYS_FR[first.weekday()], DAYS_EN[first.weekday()])
    return f"{day} {first:%d/%m/%Y %H:%M}-{last:%H:%M} ({zone})"


def received(standing: Standing, number: int, candidates: list[str]) -> str:
    """Say what came and whose it may be."""
    head = say(
        f"Rendez-vous reçu de « {standing.source} » : {_at(standing)}.",
        f'Appointment from "{standing.source}": {_at(standing)}.',
    )
    listed = [f"   {place}. {name}" for place, name in enumerate(candidates, 1)]
    if not candidates:
        how = say(
            f"Aucune conversation ne correspond. Pour l'y mettre, écrivez ici : {number} = nom du patient",
            f"No conversation matches. To put it into one, write here: {number} = name of the patient",
        )
        return f"{head}\n{how}"
    how = say(
        f"De qui est-il ? Écrivez ici : {number} = 1 (ou {number} = nom, ou {number} = non)",
        f"Whose is it? Write here: {number} = 1 (or {number} = name, or {number} = no)",
    )
    return "\n".join([head, *listed, how])


def further(count: int) -> str:
    """Say that there are more than are listed."""
    return say(f"Et {count} autres, dans l'agenda seulement.", f"And {count} more, in the agenda only.")


def overlapping(standing: Standing) -> str:
    """Say that two appointments stand at one time."""
    return say(
        f"Attention, deux rendez-vous à la fois : celui de « {standing.source} », {_at(standing)}, en recouvre "
        "un autre de l'agenda. Il n'y est pas recopié.",
        f'Two appointments at once: the one from "{standing.source}", {_at(standing)}, is over another one of '
        "the agenda. It is not copied there.",
    )


def called_off(standing: Standing, number: int) -> str:
    """Say that the partner does not know yet that it is off; ``number``: to give it to another patient, 0 for none."""
    told = say(
        f"Annulé dans sa conversation : {_at(standing)}. Annulez-le aussi chez « {standing.source} », qui le garde.",
        f'Called off in its conversation: {_at(standing)}. Cancel it at "{standing.source}" too, which still has it.',
    )
    another = say(
        f"S'il est d'une autre personne, écrivez ici : {number} = nom du patient",
        f"If it is another person's, write here: {number} = name of the patient",
    )
    return f"{told}\n{another}" if number else told


def elsewhere(standing: Standing, now: str) -> str:
    """Say that the partner does not know yet that it is at another time."""
    return say(
        f"Déplacé dans sa conversation : {_at(standing)} devient {now}. Déplacez-le aussi chez « {standing.source} ».",
        f'Moved in its conversation: {_at(standing)} becomes {now}. Move it at "{standing.source}" too.',
    )


def wished(number: int, at: str) -> str:
    """Ask the practice whether another time is granted."""
    return say(
        f"Par courriel, un autre moment est demandé : {at}. Écrivez ici : {number} = oui, ou {number} = non",
        f"By mail, another time is asked for: {at}. Write here: {number} = yes, or {number} = no",
    )


def other_wish(at: str) -> str:
    """Tell a conversation of a wish that came by mail."""
    return say(f"Autre souhait, reçu par courriel : {at}.", f"Another wish, received by mail: {at}.")


def granted(*, done: bool) -> str:
    """Tell the practice what became of its yes."""
    return say("C'est déplacé.", "It is moved.") if done else say("Ce moment est pris.", "That time is taken.")


def note(source: str) -> str:
    """Say on a card where it comes from."""
    return say(
        f"Reçu de « {source} ».",
        f'Received from "{source}".',
    )


def declined() -> str:
    """Say that the person invited has declined by mail."""
    return say("Décliné par courriel.", "Declined by mail.")


def declined_late() -> str:
    """Say the same after the practice's deadline."""
    return say(
        "Décliné par courriel, après le délai d'annulation : le cabinet décide.",
        "Declined by mail, after the deadline: the practice decides.",
    )


def unclear(start: datetime, end: datetime, zone: str) -> str:
    """Say that an entry is no time any more that a patient could be told."""
    at = when(start, end, zone)
    return say(
        f"Dans votre agenda, ce rendez-vous n'a plus une heure de début et de fin lisible : {at}. C'est devenu une "
        "série, une journée entière, plus d'un jour, ou autre chose. Le patient garde l'heure convenue : déplacez le "
        "rendez-vous ou annulez-le dans sa conversation, ou donnez-lui de nouveau une heure dans l'agenda.",
        f"In your agenda this appointment has no start and end any more that can be read: {at}. It has become a "
        "series, a whole day, more than a day, or something else. The patient keeps the time agreed on: move it or "
        "call it off in its conversation, or give it an hour again in the agenda.",
    )


def page(label: str, url: str) -> str:
    """Give a booking page to a patient who asked for an appointment."""
    return say(
        f"Vous pouvez prendre rendez-vous sur {label} : {url}\nCette page est hors de la messagerie chiffrée.",
        f"You can book at {label}: {url}\nThat page is outside of the encrypted messaging.",
    )


def not_understood(number: int) -> str:
    """Answer the practice's answer that names nobody, or several."""
    return say(
        f"{number} : aucune conversation, ou plusieurs, de ce nom.",
        f"{number}: no conversation, or several, of that name.",
    )


def noted(number: int, name: str) -> str:
    """Confirm whose it is."""
    return say(f"{number} : mis dans « {name} ».", f'{number}: put into "{name}".')


def _at(standing: Standing) -> str:
    return when(standing.start, standing.end, standing.zone)
