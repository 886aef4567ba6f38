"""How long and how much: the quick run answers "is it slower than yesterday?", the full one fills the table."""

from dataclasses import dataclass

SENDERS = (1, 16, 64, 256)
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    pairs: int
    seconds: float
    """Of each closed loop and of each offered load."""
    rounds: int
    """Repeats of each closed loop; the median counts."""
    offered: tuple[int, ...]
    idle: int
    """Connections whose memory is measured."""
    file: int
    """Bytes of the attachment."""
    gathering: float = 120
    """Seconds for making pairs; a slow machine measures with fewer."""
    hurry: tuple[float, float] | None = None
    """Seconds after which the first and the second half get shorter stages: "under 50 s" is a promise."""


QUICK = Plan(pairs=256, seconds=1.5, rounds=1, offered=(200, 500), idle=250, file=4 * MIB, gathering=6, hurry=(14, 27))
FULL = Plan(pairs=256, seconds=4.0, rounds=3, offered=(20, 200, 500, 1000), idle=1000, file=25 * MIB)
