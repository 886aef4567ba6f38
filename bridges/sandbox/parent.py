"""The parent of a reading child: one file at a time, killed and replaced when it is late or dies."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Literal, Self, TypeVar

import msgspec

import bridges
from bridges.sandbox.child import ORDER, SIZE
from bridges.sandbox.limits import Limits

ROOM: Final = str(Path(bridges.__file__).resolve().parents[1])
_SIGPROF, _SIGKILL, _SIGXCPU = -27, -9, -24
_LEAVING, _DYING = 0.2, 2.0  # seconds for a child to end by itself: one that is asked to, one whose pipe broke
_Answer = TypeVar("_Answer")


class LostError(Exception):
    """The child gave no answer about this file."""

    def __init__(self, reason: Literal["too_slow", "reader_died"]) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class Child:
    """Has strangers' files read by a child, one after another; use as ``async with``.

    A kind of file is a subclass: it names the module to run and its limits.
    """

    MODULE: ClassVar[str]

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._read = 0
        self._alone = asyncio.Lock()

    def limits(self) -> Limits:
        """Say what the child may take."""
        raise NotImplementedError

    def arguments(self) -> Sequence[str]:
        """Say what the child is started with."""
        return ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def ask(self, options: bytes, raw: bytes, decode: Callable[[bytes], _Answer]) -> _Answer:
        """Have one file read. Raises LostError, after which the next file gets a new child."""
        async with self._alone:
            return await self._one(options, raw, decode)

    async def _one(self, options: bytes, raw: bytes, decode: Callable[[bytes], _Answer]) -> _Answer:
        limits = self.limits()
        child = await self._started(limits)
        try:
            async with asyncio.timeout(limits.wall):
                return await self._exchange(child, options, raw, decode, limits)
        except TimeoutError:
            await self._end()
            raise LostError("too_slow") from None
        except (OSError, asyncio.IncompleteReadError, msgspec.DecodeError, ValueError):
            raise LostError(_why(await self._end(_DYING))) from None
        except BaseException:  # cancelled half way: the pipe holds the rest of an answer
            await self._end()
            raise

    async def _exchange(
        self,
        child: asyncio.subprocess.Process,
        options: bytes,
        raw: bytes,
        decode: Callable[[bytes], _Answer],
        limits: Limits,
    ) -> _Answer:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(ORDER.pack(len(options), len(raw)) + options)
        child.stdin.write(raw)
        await child.stdin.drain()
        (size,) = SIZE.unpack(await child.stdout.readexactly(SIZE.size))
        if size > limits.answer:
            raise ValueError("answer too large")
        answer = decode(await child.stdout.readexactly(size))
        self._read += 1
        return answer

    async def _started(self, limits: Limits) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None or self._read >= limits.life:
            await self._end()
            self._read = 0
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                self.MODULE,
                *self.arguments(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd="/",
                # Nothing of our environment: it may hold the passphrase of the key store.
                env={"PYTHONPATH": ROOM, "MALLOC_ARENA_MAX": "1", "PATH": os.defpath},
            )
        return self._child

    async def _end(self, patience: float = _LEAVING) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        if child.stdin is not None:
            child.stdin.close()
        if child.returncode is None:
            # A child whose pipe broke is about to end by itself, and how it ends is the reason we report.
            try:
                async with asyncio.timeout(patience):
                    return await child.wait()
            except TimeoutError:
                kill(child)
        return await child.wait()


def kill(child: asyncio.subprocess.Process) -> None:
    """Kill a child that may have ended just now.

    ``Process.kill`` of Python 3.11 asks first whether it has, and so takes its exit code from the one who waits for it.
    """
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)


def _why(code: int | None) -> Literal["too_slow", "reader_died"]:
    return "too_slow" if code in {_SIGPROF, _SIGXCPU} else "reader_died"
