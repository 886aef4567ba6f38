"""What Prometheus is told: counts of this process, by route template, status and code. No id can stand in a label.

Written out here (the text format is a page long), so no dependency is needed. Counters live in this module, as the log
does in ``server.telemetry``; gauges are asked for when somebody looks.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
Labels = tuple[str, ...]


@dataclass(slots=True)
class Counter:
    """A count that only grows, for each value of its labels."""

    name: str
    text: str
    labels: Labels = ()
    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, *labels: str, by: float = 1) -> None:
        """Count ``by`` more. Labels come from the source or from templates, so their number is bounded."""
        self.values[labels] = self.values.get(labels, 0) + by

    def lines(self) -> Iterator[str]:
        """Write it out."""
        yield from _head(self.name, self.text, "counter")
        for labels, value in self.values.items():
            yield f"{self.name}{_shown(self.labels, labels)} {_number(value)}"


@dataclass(slots=True)
class Histogram:
    """How long something took, in seconds, for each value of its labels."""

    name: str
    text: str
    labels: Labels = ()
    values: dict[Labels, list[float]] = field(default_factory=dict)
    """The count in each bucket (not cumulative), one beyond the last, and the sum."""

    def observe(self, seconds: float, *labels: str) -> None:
        """Count one more that took ``seconds``."""
        row = self.values.get(labels)
        if row is None:
            row = self.values[labels] = [0.0] * (len(SECONDS) + 2)
        row[bisect_left(SECONDS, seconds)] += 1
        row[-1] += seconds

    def lines(self) -> Iterator[str]:
        """Write it out."""
        yield from _head(self.name, self.text, "histogram")
        names = (*self.labels, "le")
        for labels, row in self.values.items():
            total = 0.0
            for bound, count in zip((*SECONDS, math.inf), row, strict=False):
                total += count
                yield f"{self.name}_bucket{_shown(names, (*labels, _number(bound)))} {_number(total)}"
            yield f"{self.name}_sum{_shown(self.labels, labels)} {_number(row[-1])}"
            yield f"{self.name}_count{_shown(self.labels, labels)} {_number(total)}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What is so at this moment."""

    name: str
    text: str
    value: float
    kind: str = "gauge"

    def lines(self) -> Iterator[str]:
        """Write it out."""
        yield from _head(self.name, self.text, self.kind)
        yield f"{self.name} {_number(self.value)}"


@dataclass(slots=True)
class Gauge:
    """A number that goes up and down."""

    name: str
    text: str
    value: float = 0

    def lines(self) -> Iterator[str]:
        """Write it out."""
        yield from _head(self.name, self.text, "gauge")
        yield f"{self.name} {_number(self.value)}"


REQUESTS: Final = Counter("pli_requests_total", "Answers by route and status", ("method", "route", "status"))
REFUSALS: Final = Counter("pli_refusals_total", "Refusals by the code of docs/spec/errors.md", ("code",))
LATENCY: Final = Histogram("pli_request_seconds", "From the head of a request to its answer", ("route",))
WRITES: Final = Histogram("pli_write_seconds", "From handing a write to the committer to its commit")
WAITING: Final = Gauge("pli_writes_waiting", "Writes handed over and not committed yet")
DOCUMENTS: Final = Counter("pli_document_bytes_total", "Bytes of sealed documents", ("direction",))
JOBS: Final = Counter("pli_jobs_total", "Runs of background jobs", ("job", "outcome"))
CONNECTIONS: Final = Counter("pli_connections_ended_total", "Connections that found no room, or made it", ("outcome",))
REMOVED: Final = Counter("pli_jobs_removed_total", "What background jobs have removed", ("job",))
SPANS: Final = Counter("pli_trace_spans_total", "Spans of traces", ("outcome",))
ALL: Final = (REQUESTS, REFUSALS, LATENCY, WRITES, WAITING, DOCUMENTS, JOBS, REMOVED, SPANS, CONNECTIONS)


class Told(Protocol):
    """Something that can write itself out."""

    def lines(self) -> Iterator[str]: ...


def render(readings: Iterable[Reading] = ()) -> str:
    """Return everything in the text format of Prometheus (version 0.0.4)."""
    told: tuple[Told, ...] = (*ALL, *readings)
    return "".join(line + "\n" for one in told for line in one.lines())


def _head(name: str, text: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


def _shown(names: Labels, values: Labels) -> str:
    said = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{said}}}" if said else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)
