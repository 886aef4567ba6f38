"""``pli-bridge mail``: reading, judging and making without a server. Source: docs/operate/mail.md."""

import argparse
from pathlib import Path
from typing import Any

import msgspec

from bridges.mail import limits
from bridges.mail.reading import set_aside
from bridges.mail.sandbox import Sandbox
from bridges.mail.worker import Answer
from bridges.terminal.output import Output

REFUSED = 3  # exit code: the answer is no


async def mail(args: argparse.Namespace, out: Output) -> int | None:
    """Run one action."""
    if args.action == "parse":
        await _parse(args.files, out)
    return 0


async def _parse(paths: list[Path], out: Output) -> None:
    """Say of each file what became of it; a file that cannot be read is one more outcome, never an end."""
    async with Sandbox() as sandbox:
        for path in paths:
            out.line({"file": str(path), **plain(await _read_file(sandbox, path))})


async def _read_file(sandbox: Sandbox, path: Path) -> Answer:
    try:
        with path.open("rb") as stream:
            raw = stream.read(limits.RAW + 1)
    except OSError as error:
        return Answer(set_aside("unreadable", type(error).__name__), 0.0, 0.0)
    return await sandbox.read(raw)


def plain(answer: Answer) -> dict[str, Any]:
    """Give the answer as the contract of ``mail parse`` has it."""
    reading = answer.reading
    told: dict[str, Any] = msgspec.to_builtins(reading)
    del told["bodies"]
    return {
        "outcome": told.pop("outcome"),
        "reason": told.pop("reason"),
        "seconds": answer.seconds,
        "peak_mib": answer.peak_mib,
        **told,
    }
