"""The group trimming."""

from typing import Any

from vectors.kit import DAY, NOW, Group

TERM = 30 * DAY  # the shortest that a reader believes
OVER = NOW - 365 * DAY


def told(first: int = 40, before: int = OVER) -> dict[str, int]:
    return {"from": first, "before": before}


def trimming_group() -> Group:
    """What a server may say of where its log begins."""
    group = Group("trimming", "a log that no longer begins at its beginning (protocol.md 7.6)")
    _accept(group)
    _older(group)
    _mirrored(group)
    return group


def _accept(group: Group) -> None:
    honest: dict[str, Any] = {"known": None, "told": told(), "seq": 90, "at": NOW, "now": NOW}
    for name, changed in {
        "the first": {},
        "a later one": {"known": told(12, OVER - 7 * DAY)},
        "the same again": {"known": told()},
        "the whole log": {"told": told(90)},
        "the shortest term": {"told": told(40, NOW - TERM)},
        "a reader whose clock is two days behind": {"told": told(40, NOW - TERM), "now": NOW - 2 * DAY},
    }.items():
        group.ok(name, "accept", **honest | changed)
    for name, changed in {
        "behind its own place": {"told": told(91)},
        "before the first place": {"told": told(0)},
        "fewer than before": {"known": told(41)},
        "an earlier time than before": {"known": told(40, OVER + 1)},
        "a term shorter than any": {"told": told(40, NOW - TERM + 1)},
        "a server whose clock is ahead": {"told": told(40, NOW), "at": NOW + 365 * DAY},
        "just over what the reader's clock allows": {
            "told": told(40, NOW - TERM + 1),
            "at": NOW + DAY,
            "now": NOW - 2 * DAY,
        },
    }.items():
        group.refused(name, "withheld", "accept", **honest | changed)


def _older(group: Group) -> None:
    def places(*at: int) -> list[dict[str, int]]:
        return [{"seq": seq, "at": each} for seq, each in enumerate(at, 38)]

    group.ok("all before it is older", "older", told=told(), places=places(OVER - 2, OVER - 1, OVER, NOW))
    group.ok("a reader that has nothing", "older", told=told(), places=[])
    group.refused("one before it is as young", "withheld", "older", told=told(), places=places(OVER - 2, OVER, NOW))
    group.refused("an older one stands behind it", "withheld", "older", told=told(), places=places(NOW, OVER - 1, NOW))


def _mirrored(group: Group) -> None:
    same: dict[str, Any] = {"newest": told(), "told": told(), "first": 1, "now": NOW}
    for name, changed in {
        "a whole log": {"newest": None, "told": None},
        "the log and the summary": {},
        "a page that begins there": {"newest": None, "first": 40},
        "a member who came later": {"newest": None, "first": 77},
    }.items():
        group.ok(name, "mirrored", **same | changed)
    for name, changed in {
        "a beginning that stands in no log": {"newest": None},
        "just before the page": {"newest": None, "first": 39},
        "taken back": {"told": None},
        "another place than the log says": {"told": told(41)},
        "another time than the log says": {"told": told(40, OVER + 1)},
        "a hint of a term that is not over": {"newest": None, "first": 40, "told": told(40, NOW)},
    }.items():
        group.refused(name, "withheld", "mirrored", **same | changed)
