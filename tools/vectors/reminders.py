"""When a device reminds by itself: zones, changes of clocks, nights (appointments.md 7)."""

from datetime import UTC, datetime
from typing import Any, Final

from vectors.kit import Group

ZONES: Final = (
    "Europe/Paris",
    "America/Martinique",
    "America/Miquelon",
    "Indian/Reunion",
    "Pacific/Noumea",
    "Pacific/Marquesas",
)
# Around the changes of clocks of Paris in 2026, an ordinary day, an early and a late hour; UTC.
STARTS: Final = (
    "2026-03-29T00:30",
    "2026-03-29T07:00",
    "2026-04-05T12:00",
    "2026-10-25T00:30",
    "2026-10-25T01:30",
    "2026-11-01T13:00",
    "2026-07-14T05:45",
    "2026-07-14T20:50",
)


def add(group: Group) -> None:
    """Cases of ``remind``."""

    def remind(name: str, start: str, now: str, **more: Any) -> None:
        given = {"said": [], "booked": _at("2026-01-01T00:00"), "zone": ZONES[0], **more}
        group.ok(f"reminder: {name}", "remind", start=_at(start), now=_at(now), **given)

    for zone in (*ZONES, "Moon/Base"):
        for start in STARTS:
            remind(f"{start} in {zone}", start, "2026-01-02T00:00", zone=zone)
    usual = "2026-04-24T12:00"  # 14:00 in Paris
    remind("a minute before the wait of d7 is over", usual, "2026-04-17T16:29")
    remind("d7", usual, "2026-04-17T16:30")
    remind("d7 that the automate said", usual, "2026-04-17T16:30", said=["d7"])
    remind("d1 after a d7 of the automate", usual, "2026-04-23T16:30", said=["d7"])
    remind("d1 where only the nearer one was said", usual, "2026-04-23T16:30", said=["h2"])
    remind("h2", usual, "2026-04-24T10:30")
    remind("h2 that the automate said", usual, "2026-04-24T10:30", said=["h2"])
    remind("just before it begins", usual, "2026-04-24T11:59")
    remind("it has begun", usual, usual)
    remind("booked an hour before the moment", usual, "2026-04-23T16:30", booked=_at("2026-04-23T15:00"))
    remind("booked three hours before the moment", usual, "2026-04-23T16:30", booked=_at("2026-04-23T13:00"))
    remind("after a week away", usual, "2026-04-23T08:00")


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000
