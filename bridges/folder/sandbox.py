"""The parent of the child that reads a drop folder's files."""

from typing import ClassVar, Final

import msgspec
from typing_extensions import override

from bridges.folder.worker import Opened
from bridges.mail import limits
from bridges.sandbox.limits import Limits
from bridges.sandbox.parent import Child, LostError

_DECODER: Final = msgspec.msgpack.Decoder(Opened)


class FolderSandbox(Child):
    """Reads files of other software; use as ``async with``. Not for concurrent calls."""

    MODULE: ClassVar[str] = "bridges.folder.worker"

    @override
    def limits(self) -> Limits:
        return limits.child()

    async def open(self, raw: bytes) -> Opened:
        """Read one file; whatever happens to the child, the answer is an ``Opened``."""
        if len(raw) > limits.RAW:
            return Opened(reason="too_large")
        try:
            return await self.ask(b"", raw, _DECODER.decode)
        except LostError as lost:
            return Opened(reason=lost.reason)
