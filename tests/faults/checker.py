"""Judges a history: were the promises P1 to P10 kept? (docs/reliability.md says what each promises.)

Every check passes over the history a constant number of times. No search is needed: `seq` is the order that the server
claims, so it is enough to look whether everything that anybody saw fits to it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.history import History, Record

LEVEL_WITHIN = 10.0  # seconds after the last fault in which every follower has everything


@dataclass(frozen=True)
class Breach:
    """A promise that was not kept, and the operation that shows it."""

    promise: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.promise} {self.kind}: {self.text}"


@dataclass
class Judged:
    """A history, sorted once for all checks."""

    history: History
    invokes: dict[int, Record] = field(default_factory=dict)
    acked: list[tuple[Record, Record]] = field(default_factory=list)
    """(invoke, ok) of every acknowledged submission."""
    logs: dict[str, dict[int, list[Any]]] = field(default_factory=dict)
    """The final log of each conversation: seq → [seq, id, hash, author]."""
    feeds: dict[str, dict[int, list[Any]]] = field(default_factory=dict)
    """The final feed of each account: position → [position, conv, seq, id, hash]."""
    members: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: dict[tuple[str, str], Record] = field(default_factory=dict)
    bare: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Places of the final logs without bytes: their term was over, or they are lost."""
    begins: dict[str, int] = field(default_factory=dict)
    """The first seq that a final log has everything from, as it says itself."""
    feed_begins: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Judged:
        judged = cls(history)
        for record in history.records:
            match record["e"]:
                case "invoke":
                    judged.invokes[record["op"]] = record
                case "ok":
                    judged.acked.append((judged.invokes[record["op"]], record))
                case "page" if record.get("whole") and (record["conv"], record["who"]) not in judged.removed:
                    judged.logs.setdefault(record["conv"], {}).update({item[0]: item for item in record["items"]})
                case "feed" if record.get("whole"):
                    judged.feeds.setdefault(record["who"], {}).update({item[0]: item for item in record["items"]})
                case "member":
                    judged.members[record["account"]].add(record["conv"])
                case "removed":
                    judged.removed[record["conv"], record["account"]] = record
        judged.feed_begins = {who: min(feed, default=1) for who, feed in judged.feeds.items()}
        for conv, log in judged.logs.items():
            judged.bare[conv] = {seq for seq, item in log.items() if item[1] is not None and item[2] is None}
            judged.begins[conv] = max((item[3] for item in log.values() if isinstance(item[3], int)), default=1)
        return judged

    def same(self, conv: str, stands: list[Any] | None, seen: list[Any]) -> bool:
        """Whether [seq, id, hash, …] is what stands there now; bytes whose term is over may be gone since."""
        if stands is not None and stands[0] in self.bare[conv]:
            return [*stands[:2], *stands[3:]] == [*seen[:2], *seen[3:]]
        return stands == seen


def check(history: History, *, level_within: float = LEVEL_WITHIN) -> list[Breach]:
    """Return every breach; an empty list says that all promises were kept."""
    judged = Judged.of(history)
    found = [breach for one in CHECKS for breach in one(judged)]
    return found + list(bounded_staleness(judged, level_within))


# --- P1 to P4: what is in the log ------------------------------------------------------------------------------------


def durable(judged: Judged) -> Iterator[Breach]:
    """P1: what was acknowledged, or shown to anybody, is in the log at the place that was told."""
    for invoked, told in judged.acked:
        stands = judged.logs.get(invoked["conv"], {}).get(told["seq"])
        if stands is None or stands[1] != invoked["id"]:
            at = f"{invoked['who']} was told seq {told['seq']} for {invoked['id']} in {invoked['conv']} (op {told['op']})"
            yield Breach("P1", "lost", f"{at}; there stands {stands and stands[1]}")
    yield from _over(judged)
    blobs = {record["id"]: record["hash"] for record in judged.history.of("blob")}
    for read in judged.history.of("blob_read"):
        if read["id"] in blobs and blobs[read["id"]] != read["hash"]:
            yield Breach("P1", "lost", f"attachment {read['id']} was acknowledged and is read as {read['hash']}")
    for asked in judged.history.of("integrity"):
        if asked["said"] != "ok":
            yield Breach("P1", "lost", f"integrity_check: {asked['said']}")


def _over(judged: Judged) -> Iterator[Breach]:
    """P1: bytes are gone only where the operator's term is over, and where the log says that it begins later."""
    terms = [record["days"] for record in judged.history.of("term")]
    moved = [(record["t"], record["days"]) for record in judged.history.of("clocks")]
    handed_in, _ = _times(judged)
    for conv, places in judged.bare.items():
        for seq in sorted(places):
            envelope = judged.logs[conv][seq][1]
            at = handed_in.get((conv, envelope))
            age = float("inf") if at is None else sum(days for t, days in moved if t >= at)
            if not terms or age < min(terms):
                yield Breach("P1", "lost", f"{envelope}, at {seq} of {conv}, is gone after {age} days: no term is over")
            elif seq >= judged.begins[conv]:
                yield Breach("P1", "lost", f"{envelope}, at {seq} of {conv}, is gone, and the log does not say so")


def once(judged: Judged) -> Iterator[Breach]:
    """P2: an envelope has one place, however often it is handed in."""
    for conv, log in judged.logs.items():
        places: dict[str, int] = {}
        for seq in sorted(log):
            envelope = log[seq][1]
            if envelope is not None and places.setdefault(envelope, seq) != seq:
                yield Breach("P2", "duplicated", f"{envelope} stands at {places[envelope]} and {seq} of {conv}")
    told: dict[tuple[str, str], int] = {}
    for invoked, answer in judged.acked:
        first = told.setdefault((invoked["conv"], invoked["id"]), answer["seq"])
        if first != answer["seq"]:
            yield Breach(
                "P2", "duplicated", f"{invoked['id']} was told {first}, then {answer['seq']} (op {answer['op']})"
            )


def total_order(judged: Judged) -> Iterator[Breach]:
    """P3: seq is gapless, and what was acknowledged before something else began stands before it."""
    for conv, log in judged.logs.items():
        for expected, seq in enumerate(sorted(log), 1):
            if seq != expected:
                yield Breach("P3", "reordered", f"{conv} has no event {expected}: the next is {seq}")
                break
    began, ended = _times(judged)
    for conv, log in judged.logs.items():
        earliest, by = float("inf"), ""
        for seq in sorted(log, reverse=True):
            envelope = log[seq][1]
            if began.get((conv, envelope), float("-inf")) > earliest:
                yield Breach("P3", "reordered", f"{envelope} (seq {seq} of {conv}) began after {by} was acknowledged")
            if ended.get((conv, envelope), float("inf")) < earliest:
                earliest, by = ended[conv, envelope], f"{envelope} (seq {seq})"


def _times(judged: Judged) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Return when each envelope was first handed in, and when it was first acknowledged."""
    began: dict[tuple[str, str], float] = {}
    ended: dict[tuple[str, str], float] = {}
    for invoked in judged.invokes.values():
        began.setdefault((invoked["conv"], invoked["id"]), invoked["t"])
    for invoked, told in judged.acked:
        ended.setdefault((invoked["conv"], invoked["id"]), told["t"])
    return began, ended


def no_creation(judged: Judged) -> Iterator[Breach]:
    """P4: everything in the log was handed in there, by the author that it names, with these bytes."""
    handed_in: dict[tuple[str, str], tuple[str, set[str]]] = {}
    for invoked in judged.invokes.values():
        body, authors = handed_in.setdefault((invoked["conv"], invoked["id"]), (invoked["hash"], set()))
        authors.add(invoked["who"])
    authors_of: dict[tuple[str, str], str] = {}
    for conv, log in judged.logs.items():
        for seq, envelope, body, author in log.values():
            if envelope is None:
                continue
            authors_of[conv, envelope] = author
            known = handed_in.get((conv, envelope))
            if known is None or author not in known[1]:
                yield Breach("P4", "created", f"{author} never handed in {envelope}, at {seq} of {conv}")
            elif body != known[0] and seq not in judged.bare[conv]:
                yield Breach("P4", "created", f"{envelope}, at {seq} of {conv}, has other bytes")
    for invoked, told in judged.acked:
        author = authors_of.get((invoked["conv"], invoked["id"]), invoked["who"])
        if author != invoked["who"]:
            yield Breach(
                "P4", "created", f"{invoked['who']} was told {author}'s {invoked['id']} is theirs (op {told['op']})"
            )


# --- P5 and P6: what readers see -------------------------------------------------------------------------------------


def prefix_reads(judged: Judged) -> Iterator[Breach]:
    """P5: every read, feed and push shows a piece of the final log, without a hole."""
    for page in judged.history.of("page"):
        log = judged.logs.get(page["conv"], {})
        for number, item in enumerate(page["items"]):
            stands = log.get(item[0])
            if not judged.same(page["conv"], stands, item):
                yield Breach("P5", "rewritten", f"{page['who']} read {item} of {page['conv']}; it became {stands}")
            if number and item[0] != page["items"][number - 1][0] + 1:
                yield Breach("P5", "reordered", f"{page['who']} read a hole before {item[0]} of {page['conv']}")
    for read in judged.history.of("feed"):
        yield from _feed_read(judged, read)
    yield from _complete_feeds(judged)


def _feed_read(judged: Judged, read: Record) -> Iterator[Breach]:
    final = judged.feeds.get(read["who"], {})
    for expected, item in enumerate(read["items"], max(read["after"] + 1, read.get("first", 1))):
        if item[0] != expected:
            yield Breach("P5", "lost", f"{read['who']}'s feed has no position {expected}: {item[0]} follows")
            return
        stands = final.get(item[0])
        if stands is None and item[0] < judged.feed_begins.get(read["who"], 1):
            continue  # the feed begins later since
        if stands is None or stands[1] != item[1] or not judged.same(item[1], stands[2:], item[2:]):
            yield Breach("P5", "rewritten", f"{read['who']}'s feed showed {item}; it became {final.get(item[0])}")


def _complete_feeds(judged: Judged) -> Iterator[Breach]:
    for account, feed in judged.feeds.items():
        seen: dict[str, list[int]] = defaultdict(list)
        for position in sorted(feed):
            seen[feed[position][1]].append(feed[position][2])
        for conv in judged.members[account]:
            gone = judged.removed.get((conv, account))
            wanted = [seq for seq in sorted(judged.logs.get(conv, {})) if gone is None or seq <= gone["seq"]]
            have = [seq for seq in seen[conv] if gone is None or seq <= gone["seq"]]
            if have != wanted and not _shortened(judged, account, conv, wanted, have):
                missing = sorted(set(wanted) - set(have))[:5]
                yield Breach("P5", "lost", f"{account}'s feed lacks {missing} of {conv}, or has them in another order")


def _shortened(judged: Judged, account: str, conv: str, wanted: list[int], have: list[int]) -> bool:
    """Whether a feed lacks only what is over: from its beginning on, and no message that still has its bytes."""
    missing = wanted[: len(wanted) - len(have)]
    log, bare = judged.logs[conv], judged.bare[conv]
    gone = all(log[seq][1] is None or seq in bare for seq in missing)
    return judged.feed_begins[account] > 1 and missing + have == wanted and gone


def pushes(judged: Judged) -> Iterator[Breach]:
    """P5 on live lines: what is pushed is in the feed at that position, and a line skips nothing unannounced."""
    at: dict[str, int | None] = {}
    for record in judged.history.of("push", "behind"):
        line = record["line"]
        if record["e"] == "behind":
            at[line] = None
            continue
        before = at.get(line, record["after"])
        if before is not None and record["position"] != before + 1:
            yield Breach("P5", "lost", f"line {line} of {record['who']} was told {record['position']} after {before}")
        at[line] = record["position"]
        pushed = [record["position"], record["conv"], record["seq"], record["id"], record["hash"]]
        stands = judged.feeds.get(record["who"], {}).get(record["position"])
        begins = judged.feed_begins.get(record["who"], 1)
        same = stands is not None and stands[1] == pushed[1] and judged.same(pushed[1], stands[2:], pushed[2:])
        if not same and record["who"] in judged.feeds and record["position"] >= begins:
            yield Breach("P5", "rewritten", f"{record['who']} was pushed {pushed}; the feed has {stands}")


def fresh_reads(judged: Judged) -> Iterator[Breach]:
    """P6: a read that begins after one's own acknowledgement shows it; no read goes back behind an earlier one."""
    own: dict[tuple[str, str], list[tuple[float, int, str]]] = defaultdict(list)
    for invoked, told in judged.acked:
        own[invoked["who"], invoked["conv"]].append((told["t"], told["seq"], f"op {told['op']}"))
    for page in judged.history.of("page"):
        own[page["who"], page["conv"]].append((page["t"], page["last"], "an earlier read"))
    floors = {key: sorted(told) for key, told in own.items()}
    at: dict[tuple[str, str], tuple[int, int, str]] = {}
    for page in sorted(judged.history.of("page"), key=lambda each: each["began"]):
        key = page["who"], page["conv"]
        index, floor, why = at.get(key, (0, 0, ""))
        while index < len(floors[key]) and floors[key][index][0] < page["began"]:
            _, seq, because = floors[key][index]
            floor, why = (seq, because) if seq > floor else (floor, why)
            index += 1
        at[key] = index, floor, why
        if page["last"] < floor and key[::-1] not in judged.removed:
            yield Breach(
                "P6", "stale", f"{page['who']} read {page['conv']} up to {page['last']}, but {why} showed {floor}"
            )


# --- P7 to P10 -------------------------------------------------------------------------------------------------------


def monotonic_marks(judged: Judged) -> Iterator[Breach]:
    """P7: delivered and read never go back, and nothing is delivered that is not in the log."""
    seen: dict[tuple[str, str, str], list[tuple[float, int]]] = defaultdict(list)
    for mark in judged.history.of("mark"):
        if (mark["delivered"] or 0) > max(judged.logs.get(mark["conv"], {0: []}), default=0):
            yield Breach(
                "P7",
                "receipt",
                f"{mark['account']} is said to have {mark['delivered']} of {mark['conv']}: no such event",
            )
        for name in ("delivered", "read"):
            if mark[name] is None:
                continue
            earlier = [value for t, value in seen[name, mark["conv"], mark["account"]] if t < mark["began"]]
            if earlier and max(earlier) > mark[name]:
                yield Breach(
                    "P7",
                    "receipt",
                    f"{name} of {mark['account']} in {mark['conv']} went from {max(earlier)} to {mark[name]}",
                )
            kept = seen[name, mark["conv"], mark["account"]]
            highest = max([*kept, (mark["t"], mark[name])], key=lambda each: each[1])
            seen[name, mark["conv"], mark["account"]] = [*kept[-32:], highest]


def closeness(judged: Judged) -> Iterator[Breach]:
    """P8: after the removal of a member is acknowledged, nothing later is shown to them."""
    for (conv, account), removed in judged.removed.items():
        for record in judged.history.of("page", "feed", "push"):
            if record["who"] != account:
                continue
            if record["e"] == "push":
                items = [(record["conv"], record["seq"])]
            elif record["e"] == "page":
                items = [(record["conv"], item[0]) for item in record["items"]]
            else:
                items = [(item[1], item[2]) for item in record["items"]]
            late = [seq for where, seq in items if where == conv and seq > removed["seq"]]
            if late:
                yield Breach(
                    "P8", "leaked", f"{account} was removed from {conv} at {removed['seq']} and shown {late[:3]}"
                )


def traceable(judged: Judged) -> Iterator[Breach]:
    """P9: the sender can prove what was delivered: an acknowledged receipt shows in the final marks."""
    acked: dict[str, int] = {}
    for record in judged.history.of("ack"):
        acked[record["who"]] = max(acked.get(record["who"], 0), record["position"])
    marks = [mark for mark in judged.history.of("mark") if mark["delivered"] is not None]
    final = {(mark["conv"], mark["account"]): mark["delivered"] for mark in marks}
    for account, position in acked.items():
        newest: dict[str, int] = {}
        for at in sorted(judged.feeds.get(account, {})):
            _, conv, seq, _, _ = judged.feeds[account][at]
            author = judged.logs.get(conv, {}).get(seq, [0, None, None, account])[3]
            if at <= position and author != account:
                newest[conv] = seq
        for conv, seq in newest.items():
            if (conv, account) not in judged.removed and final.get((conv, account), seq) < seq:
                told = f"{account} acknowledged {seq} of {conv}; the last mark says {final[conv, account]}"
                yield Breach("P9", "receipt", told)


def bounded_staleness(judged: Judged, within: float) -> Iterator[Breach]:
    """P10: once the faults stop, everything goes on, and every follower has everything within a bound."""
    for record in judged.history.of("stuck"):
        yield Breach("P10", "stale", f"{record['who']} stood still after the last fault")
    calm = judged.history.of("calm")
    if not calm:
        return
    since = _ran(calm[-1])
    level = {record["who"]: _ran(record) for record in judged.history.of("level")}
    for record in judged.history.of("follower"):
        took = level.get(record["who"], float("inf")) - since
        if took > within:
            yield Breach(
                "P10", "stale", f"{record['who']} had not everything {within:.0f} s after the last fault ({took:.1f})"
            )


def _ran(record: Record) -> float:
    """Return when something happened, without the time in which the machine let nobody concerned run."""
    return float(record["t"] - record.get("starved", 0.0))


CHECKS: tuple[Callable[[Judged], Iterator[Breach]], ...] = (
    durable,
    once,
    total_order,
    no_creation,
    prefix_reads,
    pushes,
    fresh_reads,
    monotonic_marks,
    closeness,
    traceable,
)
