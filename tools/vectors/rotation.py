"""Cases of the group conversation_chain: when the next sender begins an epoch."""

from typing import Any

from vectors.kit import DAY, NOW, Group
from vectors.world import World

EVERYBODY = ["claire", "karim", "jean", "nora"]


def add_cases(group: Group, world: World) -> None:
    """In the world's sixth epoch: Claire owns, Jean is the patient, Nora his delegate, Karim has a partial history."""

    def due(name: str, who: bytes, **told: Any) -> None:
        records = world.names[: world.names.index("partial") + 1]
        given = {"accounts": EVERYBODY, "records": records, "member": who, "at": NOW, "events": 0, **told}
        group.ok(name, "rotation_due", **given)

    claire, jean = world.claire.id, world.jean.id
    due("nothing is due", claire)
    due("after 90 days to the millisecond", claire, at=NOW + 90 * DAY)
    due("a millisecond later", claire, at=NOW + 90 * DAY + 1)
    due("a millisecond later, by the patient", jean, at=NOW + 90 * DAY + 1)
    due("a clock that is behind", claire, at=0)
    due("after 4,999 events", claire, events=4_999)
    due("after 5,000 events", claire, events=5_000)
    due("after 5,000 events, by a delegate", world.nora.id, events=5_000)
    due("after 5,000 events, with a partial history", world.karim.id, events=5_000)
    due("after 5,000 events, by nobody here", world.mallory.id, events=5_000)


def add_renewed(group: Group, member: bytes, accounts: dict[str, list[str]], records: dict[str, list[str]]) -> None:
    """One and the same epoch before its member's user secret was renewed, after it, and a new one."""
    told = {"member": member, "at": NOW, "events": 0}
    before, after = accounts["before"], accounts["after"]
    group.ok("a device was added: not due", "rotation_due", accounts=before, records=records["old"], **told)
    group.ok("a device was revoked: due", "rotation_due", accounts=after, records=records["old"], **told)
    group.ok("rotated since", "rotation_due", accounts=after, records=records["new"], **told)
