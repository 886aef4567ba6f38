"""Answers as readable text."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from bridges.kit.appointments_log import Reminder
from bridges.kit.appointments_reminders import place_of
from bridges.kit.words import PROFESSIONS, REPLIES, ROLES, say, word
from bridges.terminal.appointments import Acts

STATES: Final = {
    "accepted": ("envoyé", "sent"),
    "handed": ("remis à la messagerie", "handed to the mail system"),
    "delivered": ("remis", "delivered"),
    "failed": ("non remis par courriel", "not delivered by mail"),
    "read": ("lu", "read"),
    "retracted": ("retiré", "taken back"),
    "trimmed": ("plus conservé par le serveur", "no longer kept by the server"),
}


def moment(milliseconds: int) -> str:
    """Write a time as the person's clock shows it."""
    return (
        datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone().strftime(say("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M"))
    )


def person(member: dict[str, Any]) -> str:
    """Write a name with its role, profession and mark."""
    mark = " ✓" if member.get("verified") else ""
    what = word(PROFESSIONS, member["profession"]) if member.get("profession") else word(ROLES, member["role"])
    waiting = say(", pas encore venu", ", not here yet") if member.get("invited") else ""
    return f"{member['name']}{mark} ({what}{waiting})"


def members(found: Sequence[dict[str, Any]]) -> str:
    """Write who is in a conversation."""
    lines = []
    for member in found:
        lines.append(f"{person(member)}  {member['account'] or ''}".rstrip())
        if member.get("invitation_link"):
            lines.append(f"  {member['invitation_link']}\n  {member['invitation_code']}")
    return "\n".join(lines)


def conversations(found: Sequence[dict[str, Any]]) -> str:
    """Write the list of conversations."""
    if not found:
        return say("Aucune conversation.", "No conversation.")
    lines = []
    for each in found:
        new = say(f"{each['unread']} non lu(s)", f"{each['unread']} unread")
        if "alarm" in each:
            lines.append(f"{say('ALERTE', 'ALARM')} {each['alarm']}\n  {each['id']}")
            continue
        lines.append(f"{each['subject']} · {new} · {word(REPLIES, each['reply'])}\n  {each['id']}")
        lines += [f"  {person(member)}" for member in each["members"]]
    return "\n".join(lines)


def reminder(due: Reminder) -> str:
    """Write what is soon, in the time of the place."""
    at = datetime.fromtimestamp(due.start / 1000, UTC).astimezone(place_of(due.zone))
    when = at.strftime(say("%d/%m/%Y à %H:%M", "%Y-%m-%d %H:%M"))
    whom = say(f" pour {due.concerned}", f" for {due.concerned}") if due.concerned else ""
    return say(
        f"Rappel : rendez-vous{whom} le {when} ({due.zone})", f"Reminder: appointment{whom} on {when} ({due.zone})"
    )


def messages(subject: str, views: Sequence[dict[str, Any]], begins: dict[str, Any] | None) -> str:
    """Write a conversation."""
    acts = Acts()
    return "\n\n".join([subject, *beginning(begins), *(message(view, acts) for view in views)])


def beginning(begins: dict[str, Any] | None) -> list[str]:
    """Say from when on the server has messages, and how many older ones are not here."""
    if begins is None:
        return []
    day, missing = moment(begins["before"]), begins["missing"]
    fr = f"Le serveur ne conserve plus les messages d'avant le {day}. {missing} ne sont pas ici."
    en = f"The server no longer keeps messages from before {day}. {missing} of them are not here."
    return [say(fr, en)]


def message(view: dict[str, Any], acts: Acts) -> str:
    """Write one message, in the order of the conversation."""
    author = person(view["author"]) if view["author"] else "?"
    state = word(STATES, view["state"])
    readers = ", ".join(f"{each['name']} {moment(each['at'])}" for each in view["read_by"])
    lines = [f"{author}, {moment(view['at'])} · {state}" + (f" ({readers})" if readers else "")]
    if view["warning"]:
        lines.append(say("! À lire avec prudence : ", "! Read with caution: ") + view["warning"])
    kind = {"end": say("[Conversation terminée]", "[Conversation ended]"), "retracted": say("[Retiré]", "[Taken back]")}
    act = acts.write(view["id"], view["appointment"] | {"reply": view["reply"]}) if "appointment" in view else ""
    lines += [each for each in (kind.get(view["type"], ""), act, view["text"]) if each]
    lines += [
        f"  - {a['name']} ({a['size']} {say('octets', 'bytes')}) {a['path'] or ''}".rstrip()
        for a in view["attachments"]
    ]
    return "\n".join(lines)


def invitation(answer: dict[str, Any]) -> str:
    """Write what to hand over."""
    fr = "Le message est parti. Remettez au patient ce lien, ou ce code à taper :"
    en = "The message has left. Hand this link to the patient, or this code to type:"
    return f"{say(fr, en)}\n\n  {answer['invitation_link']}\n  {answer['invitation_code']}"


def exported(answer: dict[str, Any]) -> str:
    """Write where an export lies, and what is not in it."""
    written = say(f"Export écrit : {answer['file']}", f"Export written: {answer['file']}")
    return "\n".join([written, *beginning(answer["trimmed"]), *_documents_gone(answer["trimmed"])])


def _documents_gone(begins: dict[str, Any] | None) -> list[str]:
    if not begins or not begins["documents_missing"]:
        return []
    fr = f"Documents que le serveur n'a plus et qui ne sont pas ici : {begins['documents_missing']}."
    en = f"Documents that the server no longer has and that are not here: {begins['documents_missing']}."
    return [say(fr, en)]


def verified(answer: dict[str, Any]) -> str:
    """Write what holds."""
    fr = f"Tout est vérifié : {answer['messages']} message(s), {answer['documents']} document(s)."
    en = f"Everything holds: {answer['messages']} message(s), {answer['documents']} document(s)."
    gone = [*beginning(answer["trimmed"]), *_documents_gone(answer["trimmed"])]
    return "\n".join([say(fr, en), *gone, answer["subject"], answer["server"], answer["registry_key"]])


_ACCESS: Final = {
    "joined": ("peut lire désormais", "can read from now on"),
    "gone": ("ne peut plus lire la suite", "can no longer read what follows"),
    "opened": ("a chargé les messages", "loaded the messages"),
    "read": ("a lu les messages", "read the messages"),
    "document_opened": ("a ouvert un document", "opened a document"),
    "document_received": ("vous a transmis un document", "sent you a document"),
}


def access(entry: dict[str, Any]) -> str:
    """Write one entry of the access journal."""
    did = say(*_ACCESS[entry["kind"]]) if entry["kind"] in _ACCESS else entry["kind"]
    return f"{moment(entry['at'])}  {entry['name'] or entry['account']} {did}  [{entry['conversation']}]"
