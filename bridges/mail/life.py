"""How each part of the bridge is: visible to whoever looks from outside. Source: docs/operate/mail.md."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bridges.mail.state import State

Condition = Literal["starting", "connected", "idle", "retrying", "refused", "misconfigured", "stopped"]
"""``refused``: the other side does not want these credentials. ``misconfigured``: a file or the DNS is not right."""
Part = Literal["mailbox", "delivery", "conversations", "directory"]
FIRST: Final = 2.0  # seconds before the first new try
LONGEST: Final = 300.0
AFTER_REFUSAL: Final = 900.0  # seconds: too many wrong passwords close a mailbox
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lives (part TEXT, box TEXT, condition TEXT NOT NULL, reason TEXT NOT NULL,
  since REAL NOT NULL, next_at REAL, tries INTEGER NOT NULL, PRIMARY KEY (part, box)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Life:
    """What is known about one part."""

    part: Part
    box: str
    condition: Condition
    reason: str
    since: float
    next_at: float | None  # of the next try
    tries: int  # in vain since the last success


class Lives:
    """The conditions of all parts."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  the default clock
        self._state, self._clock = state, clock
        state.declare(_SCHEMA)

    def is_(self, part: Part, box: str, condition: Condition, reason: str = "") -> None:
        """Write down how a part is, when that is new."""
        known = self._get(part, box)
        if known is None or (known.condition, known.reason) != (condition, reason):
            self._write(part, box, condition, reason, next_at=None, tries=0)

    def fails(self, part: Part, box: str, condition: Condition, reason: str, *, pause: float | None = None) -> float:
        """Write down a failure and give the seconds to wait: longer each time, never the same for two boxes."""
        known = self._get(part, box)
        tries = (known.tries if known else 0) + 1
        longest = min(FIRST * 2 ** min(tries - 1, 20), LONGEST) if pause is None else pause
        wait = longest * (0.5 + secrets.randbelow(1000) / 2000)
        self._write(part, box, condition, reason, next_at=self._clock() + wait, tries=tries)
        return wait

    def all(self) -> list[Life]:
        """List the conditions."""
        query = "SELECT part, box, condition, reason, since, next_at, tries FROM lives ORDER BY part, box"
        return [Life(*row) for row in self._state.all(query)]

    def _get(self, part: Part, box: str) -> Life | None:
        return next((each for each in self.all() if (each.part, each.box) == (part, box)), None)

    def _write(
        self, part: Part, box: str, condition: Condition, reason: str, *, next_at: float | None, tries: int
    ) -> None:
        row = (part, box, condition, reason, self._clock(), next_at, tries)
        self._state.run("INSERT OR REPLACE INTO lives VALUES (?, ?, ?, ?, ?, ?, ?)", row)
