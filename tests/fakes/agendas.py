"""Agendas of others beside ours: real servers and an independent reader of calendars, from their own environment.

``tools/peers/install.sh`` makes that environment; where it is missing the tests say so and are skipped.
"""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv/peers/bin"
needs_peers = pytest.mark.skipif(
    not (PEERS / "radicale").exists(), reason="the peers are not installed: tools/peers/install.sh"
)


class Expander:
    """recurring-ical-events, in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PEERS / "python", ROOT / "tools/peers/expand.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def busy(self, ics: str, start: datetime, end: datetime, zone: str) -> Any:
        """Give the busy stretches as pairs of instants, or the name of the error."""
        asked = {"ics": ics, "start": start.isoformat(), "end": end.isoformat(), "zone": zone}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, str):
            return answer
        return [tuple(datetime.fromisoformat(each) for each in span) for span in answer]
