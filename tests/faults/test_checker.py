"""The checker accepts an honest history, and names each kind of lie: one changed record at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from typing_extensions import override

from tests.fakes.counted import lines_of
from tests.faults.checker import check
from tests.faults.history import History, Record


def honest() -> list[Record]:
    """Two doctors, one removed patient, four messages, one answer that never came, every kind of record."""
    ids = [None, "m1", "m2", "m3", "m4"]
    by = ["ann", "ann", "bob", "ann", "bob"]
    log = [[seq, ids[seq - 1], ids[seq - 1] and "h" + ids[seq - 1][1:], by[seq - 1]] for seq in range(1, 6)]
    feed = [[seq, "c", *log[seq - 1][:3]] for seq in range(1, 6)]
    records: list[Record] = [{"e": "member", "account": who, "conv": "c"} for who in ("ann", "bob", "cat")]
    records += [{"e": "follower", "who": "bob"}]
    for op, seq in enumerate(range(2, 6), 1):
        records.append(
            {"e": "invoke", "op": op, "who": by[seq - 1], "conv": "c", "id": ids[seq - 1], "hash": log[seq - 1][2]}
        )
        records.append({"e": "unknown", "op": op} if seq == 4 else {"e": "ok", "op": op, "seq": seq})
        if seq == 3:
            records.append({"e": "removed", "conv": "c", "account": "cat", "seq": 3})
    records.append({"e": "page", "who": "ann", "conv": "c", "after": 0, "last": 3, "items": log[:3]})
    records += [
        {
            "e": "push",
            "who": "bob",
            "line": "b1",
            "after": 0,
            "position": at,
            "conv": "c",
            "seq": at,
            "id": log[at - 1][1],
            "hash": log[at - 1][2],
        }
        for at in (1, 2)
    ]
    records.append({"e": "ack", "who": "bob", "position": 2})
    records.append({"e": "mark", "by": "ann", "conv": "c", "account": "bob", "delivered": 2, "read": 2})
    records.append({"e": "blob", "id": "doc", "hash": "x"})
    records += [{"e": "fault", "kind": "kill"}, {"e": "calm"}, {"e": "level", "who": "bob"}]
    records.append({"e": "page", "who": "ann", "conv": "c", "after": 0, "last": 5, "items": log, "whole": True})
    records.append({"e": "page", "who": "bob", "conv": "c", "after": 0, "last": 5, "items": log, "whole": True})
    for who, upto in (("ann", 5), ("bob", 5), ("cat", 3)):
        records.append({"e": "feed", "who": who, "after": 0, "last": upto, "items": feed[:upto], "whole": True})
    records.append({"e": "mark", "by": "ann", "conv": "c", "account": "bob", "delivered": 4, "read": 4})
    records.append({"e": "blob_read", "id": "doc", "hash": "x"})
    records.append({"e": "integrity", "said": "ok"})
    for t, record in enumerate(records):
        record["t"] = record["began"] = t / 10
    # an early page that begins before bob's message is known, so that it may miss nothing it must show
    return copy.deepcopy(records)


def the(records: list[Record], event: str, number: int = 0) -> Record:
    return [record for record in records if record["e"] == event][number]


def _lose(records: list[Record]) -> None:
    for record in records:
        if record.get("whole"):
            record["items"] = [item for item in record["items"] if "m4" not in item]


def _everywhere(change: Callable[[list[object]], None]) -> Callable[[list[Record]], None]:
    def apply(records: list[Record]) -> None:
        for page in [record for record in records if record["e"] == "page"]:
            for item in page["items"]:
                change(item)

    return apply


def _swap(records: list[Record]) -> None:
    """The log has ann's first message after bob's answer, which was handed in after it was acknowledged."""
    for record in records:
        for item in record.get("items", []):
            shift = 1 if record["e"] == "feed" else 0
            if item[shift * 2] in {2, 3} and record["e"] == "page":
                item[1], item[2], item[3] = (("m2", "h2", "bob"), ("m1", "h1", "ann"))[item[0] - 2]
    the(records, "ok", 0)["seq"], the(records, "ok", 1)["seq"] = 3, 2


def _set(event: str, number: int, **members: object) -> Callable[[list[Record]], None]:
    return lambda records: the(records, event, number).update(members)


def _author(item: list[object]) -> None:
    if item[1] == "m1":
        item[3] = "bob"


def _bytes(item: list[object]) -> None:
    if item[1] == "m1":
        item[2] = "other"


def _twice(item: list[object]) -> None:
    if item[1] == "m4":
        item[1:] = ["m1", "h1", "ann"]


LIES: dict[str, tuple[str, Callable[[list[Record]], None]]] = {
    "an acknowledged message is gone": ("P1", _lose),
    "an acknowledged message stands elsewhere": ("P1", _set("ok", 0, seq=4)),
    "an acknowledged document is gone": ("P1", _set("blob_read", 0, hash=None)),
    "an acknowledged document has other bytes": ("P1", _set("blob_read", 0, hash="y")),
    "the database is broken": ("P1", _set("integrity", 0, said="row 7 missing from index")),
    "a message stands twice": ("P2", _everywhere(_twice)),
    "a repeat was told another place": (
        "P2",
        lambda records: (
            records.append({"e": "invoke", "op": 9, "who": "ann", "conv": "c", "id": "m1", "hash": "h1", "t": 9})
            or records.append({"e": "ok", "op": 9, "seq": 5, "t": 9.1})
        ),
    ),
    "a place is missing": ("P3", _everywhere(lambda item: item[0] == 5 and item.__setitem__(0, 6))),
    "a later message stands before an acknowledged one": ("P3", _swap),
    "a message that nobody handed in": ("P4", lambda records: records.remove(the(records, "invoke", 2))),
    "a message under another's name": ("P4", _everywhere(_author)),
    "a message with other bytes": ("P4", _everywhere(_bytes)),
    "a thief is told that another's message is theirs": (
        "P4",
        lambda records: (
            records.append({"e": "invoke", "op": 9, "who": "bob", "conv": "c", "id": "m1", "hash": "h1", "t": 9})
            or records.append({"e": "ok", "op": 9, "seq": 2, "t": 9.1})
        ),
    ),
    "an early reader saw another message there": (
        "P5",
        lambda records: the(records, "page")["items"].__setitem__(1, [2, "m9", "h9", "ann"]),
    ),
    "a reader saw a hole": ("P5", lambda records: the(records, "page")["items"].pop(1)),
    "a member's feed lacks an event": ("P5", lambda records: the(records, "feed", 1)["items"].pop()),
    "a feed has a hole": ("P5", lambda records: the(records, "feed", 0)["items"].pop(2)),
    "a push of what never was committed": ("P5", _set("push", 1, id="m9")),
    "a push that skips one": ("P5", lambda records: records.remove(the(records, "push", 0))),
    "a read that does not show one's own message": ("P6", _set("page", 0, last=1)),
    "a read behind an earlier read": ("P6", _set("page", 1, last=2)),
    "delivered goes back": ("P7", _set("mark", 1, delivered=1)),
    "read goes back": ("P7", _set("mark", 1, read=1)),
    "delivered before it was there": ("P7", _set("mark", 1, delivered=50)),
    "a removed member is shown more in the feed": (
        "P8",
        lambda records: the(records, "feed", 2)["items"].append([4, "c", 4, "m3", "h3"]),
    ),
    "a removed member reads more": ("P8", _set("page", 0, who="cat", items=[[4, "m3", "h3", "ann"]])),
    "an acknowledged delivery does not show": (
        "P9",
        lambda records: [mark.update(delivered=1) for mark in records if mark["e"] == "mark"],
    ),
    "a follower never has everything": ("P10", lambda records: records.remove(the(records, "level"))),
    "a follower has everything too late": ("P10", _set("level", 0, t=99)),
}


def test_an_honest_history_keeps_every_promise() -> None:
    assert check(History(honest())) == []


@pytest.mark.parametrize("lie", LIES)
def test_every_lie_is_named(lie: str) -> None:
    promise, change = LIES[lie]
    records = honest()
    change(records)
    assert promise in {breach.promise for breach in check(History(records))}


def aged(*, term: int | None = 30, passed: int = 45, begins: int | None = 4) -> list[Record]:
    """The honest history, of which m1 and m2 are gone at the end; the log says that it begins at m3."""
    records = honest()
    if term is not None:
        records.insert(0, {"e": "term", "days": term, "t": 0.0, "began": 0.0})
    first = next(number for number, record in enumerate(records) if record.get("whole"))
    at = records[first]["t"]
    records.insert(first, {"e": "clocks", "days": passed, "t": at, "began": at})
    for record in records[first + 1 :]:
        if record["e"] == "page":
            record["items"] = [[*item[:2], None, item[3]] if item[0] in {2, 3} else item for item in record["items"]]
            record["items"] += [[6, None, None, begins]] if begins else []
            record["last"] = 5 + bool(begins)
        if record["e"] == "feed":
            record["items"] = [[*item[:4], None] if item[2] in {2, 3} else item for item in record["items"]]
            if begins and record["who"] != "cat":
                record["items"] += [[6, "c", 6, None, None]]
    return records


def test_a_message_whose_term_is_over_is_not_lost() -> None:
    assert check(History(aged())) == []


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param({"term": None}, id="no term was chosen"),
        pytest.param({"passed": 20}, id="the term is not over"),
        pytest.param({"begins": None}, id="the log does not say so"),
        pytest.param({"begins": 3}, id="more is gone than the log says"),
    ],
)
def test_a_message_that_went_before_its_term_or_without_a_word_is_lost(lie: dict[str, int | None]) -> None:
    assert ("P1", "lost") in {(breach.promise, breach.kind) for breach in check(History(aged(**lie)))}


def test_an_unknown_outcome_may_be_absent() -> None:
    """m3 was never acknowledged: a log without it is as good."""
    records = [{"e": "member", "account": "ann", "conv": "c", "t": 0.0}]
    records.append({"e": "invoke", "op": 1, "who": "ann", "conv": "c", "id": "m3", "hash": "h", "t": 1.0})
    records.append({"e": "unknown", "op": 1, "t": 2.0})
    records.append(
        {
            "e": "page",
            "who": "ann",
            "conv": "c",
            "began": 3.0,
            "after": 0,
            "last": 0,
            "items": [],
            "whole": True,
            "t": 3.1,
        }
    )
    assert check(History(records)) == []


def test_a_history_survives_the_disk(tmp_path: Path) -> None:
    History(honest()).save(tmp_path / "history.jsonl")
    assert History.load(tmp_path / "history.jsonl").records == honest()


class Counted:
    """Counts how often a value of its kinds was compared."""

    compared = 0

    @override
    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return super().__eq__(other)

    @override
    def __hash__(self) -> int:
        return super().__hash__()


class Name(Counted, str):
    __slots__ = ()


class Place(Counted, int):
    pass


def test_ten_times_the_history_is_ten_times_the_work() -> None:
    """What is counted is work, not time: lines run and ids compared, so that a busy machine changes nothing."""

    def work(count: int) -> int:
        records: list[Record] = [{"e": "member", "account": "ann", "conv": "c", "t": 0.0}]
        items = []
        for n in range(1, count + 1):
            records.append(
                {"e": "invoke", "op": n, "who": "ann", "conv": "c", "id": Name(f"m{n}"), "hash": "h", "t": n}
            )
            records.append({"e": "ok", "op": n, "seq": Place(n), "t": n + 0.5})
            items.append([Place(n), Name(f"m{n}"), "h", "ann"])
        page = {"e": "page", "who": "ann", "conv": "c", "began": count + 1.0, "after": 0, "last": count}
        records.append({**page, "items": items, "whole": True, "t": count + 2.0})
        before = Counted.compared
        found: list[list[str]] = []
        lines = lines_of(lambda: found.append([str(each) for each in check(History(records))]))
        assert found == [[]]
        return lines + Counted.compared - before

    few = work(300)
    assert few > 300
    assert work(3_000) < 11 * few
