"""What bridges sign about messages that they carried as mail, honest and otherwise (protocol.md 7.3 and 7.5)."""

from collections.abc import Callable
from typing import Any

from vectors.kit import Group

from crypto import content
from crypto.codec import b64
from crypto.content import Payload

Entry = Callable[..., dict[str, Any]]
Written = Callable[..., bytes]


def add_contents(group: Group, written: Written) -> None:
    """Contents of the type ``mailed``, well-formed and not."""

    def mailed(*states: Any) -> bytes:
        return written(type="mailed", payload={"states": list(states)})

    handed = {"message": b64(bytes(32)), "reason": None, "state": "handed"}
    failed = {**handed, "state": "failed"}
    group.ok("mailed", "content", content=mailed(handed, {**handed, "state": "delivered"}, failed))
    group.ok(
        "mailed with reasons", "content", content=mailed({**failed, "reason": "box_full"}, {**failed, "reason": "900"})
    )
    group.ok("mailed of 64 messages", "content", content=mailed(*[handed] * 64))
    bad = {
        "no state": mailed(),
        "65 states": mailed(*[handed] * 65),
        "states not a list": written(type="mailed", payload={"states": handed}),
        "without states": written(type="mailed", payload={}),
        "a state that only a receipt says": mailed({**handed, "state": "read"}),
        "a key too many": mailed({**handed, "more": 1}),
        "without a reason": mailed({"message": b64(bytes(32)), "state": "handed"}),
        "a short message id": mailed({**handed, "message": b64(bytes(31))}),
        "a reason for no failure": mailed({**handed, "reason": "box_full"}),
        "a reason in words": mailed({**failed, "reason": "Mailbox full"}),
        "an empty reason": mailed({**failed, "reason": ""}),
        "a reason of 65 characters": mailed({**failed, "reason": "x" * 65}),
        "a reason with a line break": mailed({**failed, "reason": "box_full\n"}),
    }
    for name, data in bad.items():
        group.refused(f"mailed: {name}", "bad_format", "content", content=data)


def add_log(group: Group, bridge: Entry, patient: Entry) -> None:
    """Cases of ``mailed``: what counts, and who is a bridge."""

    def says(*states: tuple[dict[str, Any], content.MailState, str | None], who: Entry = bridge) -> dict[str, Any]:
        return who(content.mailed([(entry["id"], state, reason) for entry, state, reason in states]))

    first, second = patient(content.words("first")), patient(content.words("second"))
    handed, delivered = says((first, "handed", None)), says((first, "delivered", None))
    full, closed = says((first, "failed", "box_full")), says((first, "failed", "box_closed"))
    own = bridge(content.words("own"))
    group.ok("no bridge", "mailed", log=[first, second])
    group.ok("a bridge that only said where a text came from", "mailed", log=[first, bridge(_by_mail())])
    group.ok("handed over", "mailed", log=[first, second, handed])
    group.ok("handed over, then delivered", "mailed", log=[first, handed, delivered])
    group.ok("delivered does not go back", "mailed", log=[first, delivered, handed])
    group.ok("delivered, and yet a bounce", "mailed", log=[first, delivered, full])
    group.ok("failed does not go back, the first reason stays", "mailed", log=[first, full, delivered, closed])
    both = says((first, "delivered", None), (second, "failed", None), (second, "handed", None))
    group.ok("several in one", "mailed", log=[first, second, both])
    group.ok("each bridge for itself", "mailed", log=[own, first, full, says((own, "delivered", None), who=patient)])
    group.ok("a message that stands nowhere", "mailed", log=[second, handed])
    group.ok("said before the message", "mailed", log=[handed, first])
    group.ok("about one's own", "mailed", log=[own, says((own, "delivered", None))])


def _by_mail() -> Payload:
    via = {"kind": "mail", "from": "a@x.fr", "name": "", "box": "b@y.fr", "owner": "B", "cards": [], "lead": 0}
    return content.words("by mail", reply="open", via=via)
