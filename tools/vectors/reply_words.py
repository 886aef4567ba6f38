"""What is a word on the reply right among acts about appointments, honest and otherwise (protocol.md 7.5)."""

from collections.abc import Callable, Mapping
from typing import Any

from vectors.kit import NOW, Group

from crypto import content

Entry = Callable[..., dict[str, Any]]
PROGRAM = (
    *("confirmed", "failed", "move", "cancel", "no_show", "reminder", "find", "availability", "bring_a_friend"),
    "booked",
)


def add(group: Group, doctor: Entry, patient: Entry, before: Mapping[str, dict[str, Any]]) -> None:
    """Cases of ``reply_right``; ``before``: messages of a professional after which it is open, none, ended."""
    at = {"at": NOW}

    def act(name: str, reply: Any, say: Entry = doctor) -> dict[str, Any]:
        return say(content.appointment({"version": 1, "act": name, "reply": reply}))

    for state, earlier in before.items():
        for name in PROGRAM:
            group.ok(f"{name} leaves {state}", "reply_right", log=[earlier, act(name, "keep")], **at)
        for name in ("propose", "offer"):
            group.ok(f"a program's {name} leaves {state}", "reply_right", log=[earlier, act(name, "keep")], **at)
            group.ok(f"a person's {name} opens {state}", "reply_right", log=[earlier, act(name, "open")], **at)
            group.ok(f"a person's {name} closes {state}", "reply_right", log=[earlier, act(name, "none")], **at)
    # Somebody who wants a right opened or closed by what looks like an automate's report.
    for name in PROGRAM:
        group.ok(f"{name} that would open", "reply_right", log=[before["ended"], act(name, "open")], **at)
        group.ok(f"{name} that would close", "reply_right", log=[before["open"], act(name, "none")], **at)
        group.ok(
            f"{name} that would open for a time",
            "reply_right",
            log=[before["none"], act(name, {"until": NOW + 5})],
            **at,
        )
    group.ok(
        "a patient's propose opens nothing", "reply_right", log=[before["ended"], act("propose", "open", patient)], **at
    )
    lie = {"reply": "open", "until": None}
    lied = [before["ended"], act("confirmed", "open")]
    group.refused("mirror: opened by a report", "mirror_mismatch", "reply_right", log=lied, **at, mirror=lie)
    closed = [before["open"], act("reminder", "none")]
    group.refused(
        "mirror: closed by a report",
        "mirror_mismatch",
        "reply_right",
        log=closed,
        **at,
        mirror={**lie, "reply": "none"},
    )
    said = content.words("Décliné par courriel.", reply="keep")
    for state, earlier in before.items():
        group.ok(f"a program's text leaves {state}", "reply_right", log=[earlier, doctor(said)], **at)
    group.ok("a patient's text with that word", "reply_right", log=[before["ended"], patient(said)], **at)
    opened = [before["ended"], doctor(said)]
    group.refused("mirror: opened by a text", "mirror_mismatch", "reply_right", log=opened, **at, mirror=lie)
