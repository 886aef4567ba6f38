"""Answers on stdout, progress on stderr: one JSON object with --json, readable text without."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from bridges.kit.errors import KitError, exit_code
from bridges.kit.wire import to_text
from bridges.kit.words import explain
from crypto.errors import ProtocolError


@dataclass(slots=True)
class Output:
    """Where a command speaks."""

    json: bool = False

    def answer(self, answer: Mapping[str, Any], text: str) -> None:
        """Give the answer of a command, once."""
        _write(sys.stdout, _dumps(answer) if self.json else text)

    def line(self, event: Mapping[str, Any]) -> None:
        """Give one event of a stream, one JSON object a line in both modes."""
        _write(sys.stdout, _dumps(event))

    def tell(self, progress: str) -> None:
        """Say how it goes, to a person who watches."""
        _write(sys.stderr, progress)

    def refuse(self, code: str, *, of_protocol: bool, detail: str, more: Mapping[str, Any]) -> int:
        """Say what went wrong and what to do; gives the exit code."""
        sentence = explain(code, of_protocol=of_protocol)
        known = {"code": code, "message": sentence.message, "hint": sentence.hint}
        extra = {"detail": detail} if detail else {}
        if not (self.json and _is_written({"error": {**more, **extra, **known}})):
            shown = f" [{code}: {detail}]" if detail else f" [{code}]"
            self.tell(f"{sentence.message}{shown}\n{sentence.hint}")
        return exit_code(code)

    def fail(self, error: KitError | ProtocolError) -> int:
        """Report a refusal; gives the exit code."""
        if isinstance(error, ProtocolError):
            return self.refuse(error.code, of_protocol=True, detail=error.detail, more={})
        return self.refuse(error.code, of_protocol=False, detail=error.detail, more=error.more)


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _is_written(answer: Mapping[str, Any]) -> bool:
    """Write a refusal, if stdout takes it: on a full disk it is told on stderr."""
    try:
        _write(sys.stdout, _dumps(answer))
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what waits there is not tried again at the end
        return False
    return True


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:  # whoever started us closed it: nobody listens
        return
    stream.write(line + "\n")
    stream.flush()


def _plain(value: Any) -> str:
    return to_text(value) if isinstance(value, bytes) else str(value)
