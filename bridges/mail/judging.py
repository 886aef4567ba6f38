"""From the inbox to a verdict: each mail is read by the child, once, and settled after its verdict is carried out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bridges.mail.inbox import Fate, Inbox, Taken
from bridges.mail.reading import Reading
from bridges.mail.sandbox import Sandbox
from bridges.mail.state import State


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


@dataclass(frozen=True, slots=True)
class Judge:
    """Settles the mails of a box in the order in which they came."""

    state: State
    inbox: Inbox
    sandbox: Sandbox
    verdicts: Verdicts

    async def judge(self, box: str) -> int:
        """Judge what waits and give how many; raises ``Undecided``. While one is carried, the next is read."""
        count, taken = 0, self.inbox.next(box)
        ahead = self._read(taken)
        try:
            while taken and ahead:
                reading = await ahead
                behind = self.inbox.next(box, taken.id)
                ahead = self._read(behind)
                await self._settle(taken, reading)
                count += 1
                taken = behind or self.inbox.next(box)
                ahead = ahead or self._read(taken)
        finally:
            if ahead:
                ahead.cancel()
        return count

    def _read(self, taken: Taken | None) -> asyncio.Task[Reading] | None:
        return asyncio.create_task(self._reading(taken)) if taken else None

    async def _reading(self, taken: Taken) -> Reading:
        return (await self.sandbox.read(taken.raw, bodies=True)).reading

    async def _settle(self, taken: Taken, reading: Reading) -> None:
        verdict = await self._verdict(taken, reading)
        message_id = reading.mail.message_id if reading.mail else ""
        with self.state.together():
            for effect in verdict.effects:
                effect()
            self.inbox.settle(taken.id, verdict.reason, message_id=message_id, digest=reading.digest, fate=verdict.fate)

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
