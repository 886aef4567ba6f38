"""The parent of the reading child: one file at a time, killed and replaced when it is late or dies."""

import asyncio
import hashlib
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

import bridges
from bridges.mail import limits
from bridges.mail.reading import set_aside
from bridges.mail.reasons import Reason
from bridges.mail.worker import ORDER, SIZE, Answer

_ROOM: Final = str(Path(bridges.__file__).resolve().parents[1])
_SIGPROF, _SIGKILL, _SIGXCPU = -27, -9, -24
_DECODER: Final = msgspec.msgpack.Decoder(Answer)


class Sandbox:
    """Reads strangers' files in a child; use as ``async with Sandbox() as sandbox``. Not for concurrent calls."""

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._read = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def read(self, raw: bytes, *, bodies: bool = False) -> Answer:
        """Read one file; whatever happens to the child, the answer is a reading."""
        if len(raw) > limits.RAW:
            return _lost("too_large", raw, 0.0)
        child = await self._started()
        began = time.monotonic()
        try:
            answer = await asyncio.wait_for(self._ask(child, raw, bodies=bodies), limits.WALL)
        except TimeoutError:
            await self._end()
            return _lost("too_slow", raw, time.monotonic() - began)
        except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError, ValueError):
            reason = _why(await self._end())
            return _lost(reason, raw, time.monotonic() - began)
        except BaseException:  # cancelled half way: the pipe holds the rest of an answer
            await self._end()
            raise
        return answer

    async def _ask(self, child: asyncio.subprocess.Process, raw: bytes, *, bodies: bool) -> Answer:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(ORDER.pack(bodies, len(raw)))
        child.stdin.write(raw)
        await child.stdin.drain()
        (size,) = SIZE.unpack(await child.stdout.readexactly(SIZE.size))
        if size > limits.ANSWER:
            raise ValueError("answer too large")
        answer = _DECODER.decode(await child.stdout.readexactly(size))
        self._read += 1
        return answer

    async def _started(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None or self._read >= limits.LIFE:
            await self._end()
            self._read = 0
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "bridges.mail.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                # Nothing of our environment: it may hold the passphrase of the key store.
                env={"PYTHONPATH": _ROOM, "MALLOC_ARENA_MAX": "1", "PATH": os.defpath},
            )
        return self._child

    async def _end(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None:
            # A child whose pipe broke is about to end by itself, and how it ends is the reason we report.
            try:
                return await asyncio.wait_for(child.wait(), 0.2)
            except TimeoutError:
                child.kill()
        return await child.wait()


def _why(code: int | None) -> Reason:
    if code in {_SIGPROF, _SIGXCPU}:
        return "too_slow"
    return "reader_died"


def _lost(reason: Reason, raw: bytes, seconds: float) -> Answer:
    return Answer(set_aside(reason, digest=hashlib.sha256(raw).hexdigest()), round(seconds, 4), 0.0)
