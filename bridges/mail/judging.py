"""From the inbox to a verdict: each mail is read by the child, once, and settled after its verdict is carried out.

Mails that have nothing to do with each other are carried side by side, the next ones are read meanwhile, and a round of
them is settled in one commit. Mails of one conversation go one after another, in the order in which they came.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from bridges.kit.commits import Commits
from bridges.mail.inbox import Fate, Inbox, Taken
from bridges.mail.reading import Reading
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State

ROUND: Final = 8  # mails carried side by side
AHEAD: Final = 8 * 1024 * 1024  # bytes of mails that are read before their turn; one larger mail is read all the same


class Undecided(Exception):  # noqa: N818  no error: the mail waits
    """Nothing could be decided now (the server is away): the mail waits where it is."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a mail: ``fate``, with a reason for all but ``accepted``."""

    fate: Fate
    reason: str | None = None
    effects: tuple[Callable[[], None], ...] = ()
    """Written in the transaction that settles the mail: what must hold if and only if it is settled."""


class Verdicts(Protocol):
    """Decides about a mail that could be read."""

    async def decide(self, taken: Taken, reading: Reading) -> Verdict:
        """Carry a mail to where it belongs; the same mail again must change nothing. Raises ``Undecided``."""
        ...


class SideBySide(Protocol):
    """Says which mails have nothing to do with each other."""

    def touches(self, taken: Taken, reading: Reading) -> frozenset[bytes] | None:
        """Give the conversations on which the verdict depends or which it changes; None: this mail goes alone."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    taken: Taken
    reading: Reading


@dataclass(slots=True)
class _Ahead:
    """The next mails of a box, read by the child before their turn."""

    inbox: Inbox
    sandbox: Sandbox
    box: str
    _last: int = 0
    _bytes: int = 0
    _queue: deque[tuple[Taken, asyncio.Task[Reading]]] = field(default_factory=deque)

    def fill(self, *, again: bool = False) -> None:
        """Begin to read what there is room for; ``again``: nothing is being carried, so also what was put back."""
        while len(self._queue) < 2 * ROUND and (self._bytes < AHEAD or not self._queue):
            taken = self.inbox.next(self.box, self._last)
            if taken is None and again and not self._queue:
                taken = self.inbox.next(self.box)
            if taken is None:
                return
            self._last, self._bytes = taken.id, self._bytes + len(taken.raw)
            self._queue.append((taken, asyncio.create_task(self._reading(taken))))

    async def peek(self) -> _Read | None:
        """Give the next mail, read, and leave it where it is."""
        if not self._queue:
            return None
        taken, task = self._queue[0]
        return _Read(taken, await task)

    def pop(self) -> None:
        """Take the next mail off."""
        taken, _ = self._queue.popleft()
        self._bytes -= len(taken.raw)

    def stop(self) -> None:
        """Read nothing more."""
        for _, task in self._queue:
            task.cancel()

    async def _reading(self, taken: Taken) -> Reading:
        return (await self.sandbox.read(taken.raw, bodies=True)).reading


@dataclass(frozen=True, slots=True)
class Judge:
    """Settles the mails of a box in the order in which they came, wherever that order can be seen."""

    state: State
    inbox: Inbox
    sandbox: Sandbox
    verdicts: Verdicts
    side_by_side: SideBySide | None = None  # without: one after another
    commits: Commits = field(default_factory=Commits)

    async def judge(self, box: str) -> int:
        """Judge what waits and give how many; raises ``Undecided`` after settling what could be decided."""
        count, ahead = 0, _Ahead(self.inbox, self.sandbox, box)
        try:
            while True:
                ahead.fill(again=True)
                mails = await self._round(ahead)
                if not mails:
                    return count
                ahead.fill()
                count += await self._carry(mails)
        finally:
            ahead.stop()

    async def _round(self, ahead: _Ahead) -> list[_Read]:
        """Give the next mails that may be carried side by side, at least one while there is any."""
        found, touched, names = list[_Read](), set[bytes](), set[str]()
        while len(found) < ROUND and (each := await ahead.peek()):
            touches = self._touches(each)
            mail = each.reading.mail
            refers = {mail.message_id, mail.in_reply_to, *mail.references} if mail else set[str]()
            if found and (touches is None or touches & touched or refers & names):
                break
            ahead.pop()
            found.append(each)
            if touches is None:
                break
            touched |= touches
            names |= {mail.message_id} if mail else set()
        return found

    def _touches(self, each: _Read) -> frozenset[bytes] | None:
        if each.reading.reason is not None or each.reading.mail is None:
            return frozenset()
        return self.side_by_side.touches(each.taken, each.reading) if self.side_by_side else None

    async def _carry(self, mails: list[_Read]) -> int:
        """Carry mails side by side and settle them together; raises ``Undecided`` for those that wait."""
        self.commits.enter(len(mails))
        outcomes = await asyncio.gather(*map(self._member, mails), return_exceptions=True)
        with self.state.together():
            for each, outcome in zip(mails, outcomes, strict=True):
                if isinstance(outcome, Verdict):
                    self._settle(each, outcome)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        return len(mails)

    async def _member(self, each: _Read) -> Verdict:
        try:
            return await self._verdict(each.taken, each.reading)
        finally:
            self.commits.leave()

    def _settle(self, each: _Read, verdict: Verdict) -> None:
        reading = each.reading
        for effect in verdict.effects:
            effect()
        message_id = reading.mail.message_id if reading.mail else ""
        self.inbox.settle(
            each.taken.id, verdict.reason, message_id=message_id, digest=reading.digest, fate=verdict.fate
        )

    async def _verdict(self, taken: Taken, reading: Reading) -> Verdict:
        if reading.reason is not None or reading.mail is None:
            return Verdict("quarantined", reading.reason or "not_a_mail")
        if self.inbox.is_repeat(taken.source.box, message_id=reading.mail.message_id, digest=reading.digest):
            return Verdict("repeat")
        try:
            return await self.verdicts.decide(taken, reading)
        except (Undecided, asyncio.CancelledError):
            raise
        except Exception as error:  # noqa: BLE001  our own fault must not stop the box; the mail can be replayed
            return Verdict("quarantined", f"internal_{type(error).__name__}"[:60])
