"""The group attachments."""

from typing import Any

from vectors.kit import Group, drbg

from crypto.attachment import FIRST, OTHER, SEGMENT

SIZES = (0, 1, 1000, FIRST - 1, FIRST, FIRST + 1, FIRST + OTHER - 1, FIRST + OTHER, FIRST + OTHER + 1)
THREE = FIRST + OTHER + 100


def attachments_group() -> Group:
    group = Group(
        "attachments", "files as streams of segments (protocol.md 8); byte i of a file is (7 i + i // 251) mod 256"
    )
    random = drbg("attachments")
    file = {"id": random(16), "key": random(32), "salt": random(32), "prefix": random(7)}
    for size in SIZES:
        group.ok(f"sizes of {size}", "sizes", size=size)
        group.ok(f"sealed, {size} bytes", "seal", **file, size=size)
    group.ok("sizes of 100 MiB", "sizes", size=104_857_600)
    honest: dict[str, Any] = {**file, "size": THREE, "change": "none", "by": None, "told": {}}
    group.ok("three segments", "open", **honest)
    group.ok("nothing in it", "open", **{**honest, "size": 0})

    def refused(name: str, **changes: Any) -> None:
        group.refused(name, "open_failed", "open", **{**honest, **changes})

    sealed = 40 + THREE + 48
    for name, at in {
        "header length": 0,
        "salt": 1,
        "prefix": 33,
        "first segment": 50,
        "second": SEGMENT,
        "tag": sealed - 1,
    }.items():
        refused(f"flipped: {name}", change="flip", by=at)
    cuts = {
        "at the end": sealed - 1,
        "after two segments": 2 * SEGMENT,
        "after one": SEGMENT,
        "in the header": 39,
        "to nothing": 0,
    }
    for name, length in {**cuts, "to the header": 40}.items():
        refused(f"cut {name}", change="cut", by=length)
        refused(f"cut {name}, and the reference says so", change="cut", by=length, told={"sealed_size": length})
    refused("appended", change="append", by=1)
    refused("appended, and the reference says so", change="append", by=1, told={"sealed_size": sealed + 1})
    refused("segments swapped", change="swap", by=[0, 1])
    refused("later segments swapped", change="swap", by=[1, 2])
    refused("segment dropped", change="drop", by=1)
    refused("segment twice", change="repeat", by=1)
    lies = {
        "id": bytes(16),
        "key": bytes(32),
        "sha256": bytes(32),
        "sealed_sha256": bytes(32),
        "size": THREE - 1,
        "sealed_size": sealed + 1,
    }
    for name, value in lies.items():
        refused(f"reference with another {name}", told={name: value})
    for number in range(3):
        group.ok(f"segment {number} alone", "segment", **file, size=THREE, segment=number, shift=0)
    group.refused("a segment from another place", "open_failed", "segment", **file, size=THREE, segment=1, shift=-1)
    group.refused("a segment beyond the end", "open_failed", "segment", **file, size=THREE, segment=3, shift=0)
    return group
