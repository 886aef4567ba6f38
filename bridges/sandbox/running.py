"""The parent of a program that is not ours: started confined, in a folder of its own, killed when it is late."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridges.sandbox.parent import ROOM, kill

SAID: Final = "said"  # file in the folder that takes what the program prints; its size is limited as every file's


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What the program may take."""

    cpu: int  # seconds of processor
    wall: float  # seconds that we wait, however busy the machine is
    address_space: int  # bytes
    file_size: int  # bytes of one file
    open_files: int

    @property
    def words(self) -> str:
        """The share as ``bridges.sandbox.confined`` reads it."""
        return f"{self.cpu},{self.address_space},{self.file_size},{self.open_files}"


async def run(command: Sequence[str], folder: Path, share: Share, environment: Mapping[str, str]) -> int:
    """Run a program in ``folder`` and give its exit code, negative for a signal; it is gone when this returns.

    ``command`` begins with an absolute path. Raises TimeoutError after ``share.wall`` seconds.
    """
    with (folder / SAID).open("wb") as said:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "bridges.sandbox.confined",
            share.words,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            cwd=folder,
            # Nothing of our environment: it may hold the passphrase of the key store.
            env={"PYTHONPATH": ROOM, "PATH": os.defpath, "LC_ALL": "C", **environment},
        )
    try:
        async with asyncio.timeout(share.wall):
            return await child.wait()
    finally:
        kill(child)
        await child.wait()
