"""The parent of the child that reads mail."""

import hashlib
import time
from typing import ClassVar, Final

import msgspec
from typing_extensions import override

from bridges.mail import limits
from bridges.mail.reading import set_aside
from bridges.mail.reasons import Reason
from bridges.mail.worker import Answer
from bridges.sandbox.limits import Limits
from bridges.sandbox.parent import Child, LostError

_DECODER: Final = msgspec.msgpack.Decoder(Answer)


class Sandbox(Child):
    """Reads strangers' mail; use as ``async with Sandbox() as sandbox``."""

    MODULE: ClassVar[str] = "bridges.mail.worker"

    @override
    def limits(self) -> Limits:
        return limits.child()

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child else None

    async def read(self, raw: bytes, *, bodies: bool = False) -> Answer:
        """Read one file; whatever happens to the child, the answer is a reading."""
        if len(raw) > limits.RAW:
            return _lost("too_large", raw, 0.0)
        began = time.monotonic()
        try:
            return await self.ask(bytes([bodies]), raw, _DECODER.decode)
        except LostError as lost:
            return _lost(lost.reason, raw, time.monotonic() - began)


def _lost(reason: Reason, raw: bytes, seconds: float) -> Answer:
    return Answer(set_aside(reason, digest=hashlib.sha256(raw).hexdigest()), round(seconds, 4), 0.0)
