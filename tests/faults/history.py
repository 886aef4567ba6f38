"""What happened, as the clients saw it: one JSON object a line, times from one monotonic clock.

| `e` | members beside `t` (seconds) |
|---|---|
| `member` | `account`, `conv`: belongs to it from the first message on |
| `invoke` | `op`, `who`, `conv`, `id`, `hash`: a device hands in an envelope (`id` and `hash` are digests of its bytes) |
| `ok` | `op`, `seq` · `fail`: `op`, `code` · `unknown`: `op` (the connection broke: it may be in, or not) |
| `page` | `who`, `conv`, `began`, `after`, `last`, `items` of `[seq, id, hash, author]`, `whole`: read to the end, after the faults |
| `feed` | `who`, `began`, `after`, `last`, `items` of `[position, conv, seq, id, hash]`, `whole` |
| `push` | `who`, `line`, `after` (where the line began), `position`, `conv`, `seq`, `id`, `hash` · `behind`: `line` |
| `ack` | `who`, `position`: the server took note that all up to there has arrived |
| `mark` | `by`, `began`, `conv`, `account`, `delivered` or null, `read` or null (a reader sees only their own) |
| `removed` | `conv`, `account`, `seq`: acknowledged |
| `blob` | `id`, `hash`: acknowledged as uploaded · `blob_read`: `id`, `hash` (null when it is gone) |
| `fault` | `kind` · `calm`: no more faults from here on · `level`: `who`, a follower has all there is (both with `starved`, the seconds that servers and devices have waited for a processor so far) · `follower`: `who` follows · `stuck`: `who` did not go on |
| `integrity` | `said`: what `PRAGMA integrity_check` answered |
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class History:
    """Records in the order in which they were made; kept in memory, written out whole."""

    def __init__(self, records: Iterable[Record] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self.records: list[Record] = list(records)
        self._clock = clock
        self._ops = itertools.count(1)

    def add(self, event: str, **members: Any) -> Record:
        record = {"t": self._clock(), "e": event, **members}
        self.records.append(record)
        return record

    def invoke(self, who: str, conv: str, envelope: str, body: str) -> int:
        """Note that a device hands in an envelope, before its bytes leave."""
        op = next(self._ops)
        self.add("invoke", op=op, who=who, conv=conv, id=envelope, hash=body)
        return op

    def of(self, *events: str) -> list[Record]:
        return [record for record in self.records if record["e"] in events]

    def save(self, path: Path) -> None:
        path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in self.records))

    @classmethod
    def load(cls, path: Path) -> History:
        return cls(json.loads(line) for line in path.read_text().splitlines())
