"""``pli-bridge``: a device at a terminal. ``python -m bridges`` is the same."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from bridges.kit.errors import KitError, UsageError, exit_code
from bridges.terminal.arguments import parse
from bridges.terminal.commands import Command, load
from bridges.terminal.output import Output
from crypto.errors import ProtocolError

INTERRUPTED = 130
UNEXPECTED = "internal"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0, 2, 3, 4, 5 or 6 (docs/spec/errors.md)."""
    arguments = sys.argv[1:] if argv is None else argv
    _speak_utf_8()
    try:
        return _answer(arguments, Output(json="--json" in arguments))
    except BrokenPipeError:  # the reader of our output has left; nothing is left to say
        _silence(sys.stdout)
        return 0
    except OSError as error:  # our output takes no more: the disk is full
        _silence(sys.stdout)
        return _say_at_last(UsageError("file_unreadable", type(error).__name__, path=""))


def _answer(arguments: Sequence[str], out: Output) -> int:
    """Run the command, with a sentence for all that goes wrong; raises OSError when that cannot be said."""
    try:
        args = parse(arguments)
        return asyncio.run(_run(load(args.command), args, out))
    except (KitError, ProtocolError) as error:
        return out.fail(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except OSError as error:
        return out.fail(UsageError("file_unreadable", type(error).__name__, path=str(error.filename or "")))
    except Exception as error:  # noqa: BLE001  the edge of the program: --json holds for our own faults too
        return out.refuse(UNEXPECTED, of_protocol=False, detail=type(error).__name__, more={})


def _speak_utf_8() -> None:
    """Write UTF-8 whatever the environment says, as JSON has to; names of files that are none as escapes of JSON."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _silence(stream: TextIO) -> None:
    """Let what is left in a stream go nowhere, else Python would try again at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _say_at_last(error: UsageError) -> int:
    try:
        return Output().fail(error)
    except OSError:
        _silence(sys.stderr)
        return exit_code(error.code)


async def _run(command: Command, args: argparse.Namespace, out: Output) -> int:
    return await command(args, out) or 0


if __name__ == "__main__":
    sys.exit(main())
