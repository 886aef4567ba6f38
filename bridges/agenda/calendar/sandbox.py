"""The parent of the child that reads calendars."""

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec
from typing_extensions import override

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reading import Query, Reading
from bridges.agenda.calendar.worker import PATIENT, Answer
from bridges.sandbox.limits import Limits
from bridges.sandbox.parent import Child, LostError

_ANSWER: Final = msgspec.msgpack.Decoder(Answer)


class Sandbox(Child):
    """Reads strangers' calendars; use as ``async with Sandbox() as sandbox``; ``patient`` with long ones."""

    MODULE: ClassVar[str] = "bridges.agenda.calendar.worker"

    def __init__(self, *, patient: bool = False) -> None:
        super().__init__()
        self._patient = patient

    @override
    def limits(self) -> Limits:
        return limits.PATIENT if self._patient else limits.CHILD

    @override
    def arguments(self) -> Sequence[str]:
        return (PATIENT,) if self._patient else ()

    async def read(self, raw: bytes, query: Query) -> Answer:
        """Read one calendar; whatever happens to the child, the answer is a reading."""
        if len(raw) > limits.RAW:
            return Answer(Reading(reason="too_large"), 0.0, 0.0)
        try:
            return await self.ask(msgspec.msgpack.encode(query), raw, _ANSWER.decode)
        except LostError as lost:
            return Answer(Reading(reason=lost.reason), self.limits().cpu, 0.0)
