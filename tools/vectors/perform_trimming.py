"""The operations of the group trimming. Source: docs/spec/protocol.md 7.6."""

from typing import Any

from crypto import trimming
from crypto.trimming import Trimmed


def _trimmed(given: dict[str, int] | None) -> Trimmed | None:
    return None if given is None else Trimmed(given["from"], given["before"])


def _told(given: dict[str, Any]) -> Trimmed:
    return Trimmed(given["told"]["from"], given["told"]["before"])


def _accept(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    place = {name: given[name] for name in ("seq", "at", "now")}
    found = trimming.accept(_trimmed(given["known"]), _told(given), **place)
    return {"from": found.first, "before": found.before}


def _older(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    _told(given).require_older((place["seq"], place["at"]) for place in given["places"])
    return {}


def _mirrored(given: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    newest, told = _trimmed(given["newest"]), _trimmed(given["told"])
    trimming.require_mirrored(newest, told, first=given["first"], now=given["now"])
    return {}


OPERATIONS = {"trimming": {"accept": _accept, "older": _older, "mirrored": _mirrored}}
