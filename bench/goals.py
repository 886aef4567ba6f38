"""What we want to reach (docs/benchmarks.md 1), beside what was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Goal:
    name: str
    wanted: float
    least: bool
    """True: at least ``wanted``; False: at most."""
    read: Callable[[dict[str, Any]], float | None]
    """Take the figure out of a summary; None when that run did not measure it."""

    def met(self, value: float) -> bool:
        return value >= self.wanted if self.least else value <= self.wanted


def _at(*path: str) -> Callable[[dict[str, Any]], float | None]:
    def read(found: Any) -> float | None:
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    return read


def _flatness(way: str) -> Callable[[dict[str, Any]], float | None]:
    """How much dearer a message is behind the largest load than behind the smallest, in percent."""

    def read(found: dict[str, Any]) -> float | None:
        sizes = found.get("messages_per_server_cpu_s_at") or {}
        rates = [sizes[size][way] for size in sorted(sizes, key=int)]
        return round((rates[0] / rates[-1] - 1) * 100, 1) if len(rates) > 1 else None

    return read


def _at_least(name: str, wanted: float, read: Callable[[dict[str, Any]], float | None]) -> Goal:
    return Goal(name, wanted, least=True, read=read)


def _at_most(name: str, wanted: float, read: Callable[[dict[str, Any]], float | None]) -> Goal:
    return Goal(name, wanted, least=False, read=read)


SQLITE = (
    _at_least(
        "messages per server-CPU-second, 64 senders, HTTP and Socket.IO", 3_000, _at("sends_per_server_cpu_s", "64")
    ),
    _at_least("the same on the lean socket", 5_000, _at("sends_per_server_cpu_s_lean", "64")),
    _at_least("pages of 50 events per server-CPU-second", 1_500, _at("history_of_50_per_server_cpu_s")),
)
POSTGRES = (
    _at_least(
        "messages per CPU-second, database counted, HTTP and Socket.IO", 2_000, _at("sends_per_server_cpu_s", "64")
    ),
    _at_least("the same on the lean socket", 2_500, _at("sends_per_server_cpu_s_lean", "64")),
)
BOTH = (
    _at_most("delivery p99 at 500 messages a second, ms", 25, _at("delivery_p99_ms_at", "500")),
    _at_most("idle Socket.IO connection, KiB", 30, _at("idle_kib_per_connection")),
)
SCALE = (
    _at_most("a message behind the largest load is dearer by, %, HTTP and Socket.IO", 15, _flatness("http")),
    _at_most("the same on the lean socket", 15, _flatness("lean")),
    _at_most("10,000 missed events caught up with, s", 1, _at("catch_up", "seconds")),
)
FILES = (
    _at_least("files up, share of the speed of nginx", 0.5, _at("share_of_nginx", "up")),
    _at_least("files down, share of the speed of nginx", 0.5, _at("share_of_nginx", "down")),
)

NODES = (
    _at_least(
        "acknowledged a second by two nodes, one PostgreSQL, one Redis, all cores",
        250,
        _at("nodes", "2", "acked_per_s"),
    ),
)


def table(found: dict[str, Any], goals: tuple[Goal, ...]) -> str:
    """Return one line a goal: what was wanted, what was measured, and whether that is enough."""
    lines = []
    for goal in goals:
        value = goal.read(found)
        if value is not None:
            sign, word = ("≥" if goal.least else "≤"), ("met" if goal.met(value) else "MISSED")
            lines.append(f"{goal.name:<72} {sign} {goal.wanted:>7,g} {value:>10,g}  {word}")
    return "\n".join([f"{'goal':<72} {'wanted':>9} {'measured':>10}", *lines])
