"""Has the calendars of mails read by a child that can do nothing else; the same module is that child."""

import sys
from typing import ClassVar, Final

import msgspec
from typing_extensions import override

from bridges.agenda.calendar import limits, zones
from bridges.agenda.imip.reading import RAW, Told, read
from bridges.sandbox.child import Meter, serve
from bridges.sandbox.limits import Limits
from bridges.sandbox.parent import Child, LostError

_TOLD: Final = msgspec.msgpack.Decoder(Told)


class Sandbox(Child):
    """Use as ``async with Sandbox() as sandbox``."""

    MODULE: ClassVar[str] = "bridges.agenda.imip.sandbox"

    @override
    def limits(self) -> Limits:
        return limits.CHILD

    async def read(self, raw: bytes, zone: str) -> Told:
        """Read one calendar; whatever happens to the child, the answer is a value."""
        if len(raw) > RAW:
            return Told(reason="too_large")
        try:
            return await self.ask(zone.encode(), raw, _TOLD.decode)
        except LostError as lost:
            return Told(reason=lost.reason)


def _answer(options: bytes, raw: bytes, meter: Meter) -> bytes:
    del meter
    return msgspec.msgpack.encode(read(raw, options.decode()))


if __name__ == "__main__":
    zones.load()  # afterwards no file is opened, and the right to is given up
    serve(sys.stdin.buffer, sys.stdout.buffer, limits.CHILD, _answer)
