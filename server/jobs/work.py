"""What is done now and then: uploads that no message names, ended sessions, what the operator keeps no longer.

And one question that only writing answers: does the bucket still take documents?
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from server import metrics, telemetry
from server.domain.errors import DomainError
from server.jobs import lease
from server.jobs.lease import Lease
from server.services.attachments import SWEEP
from server.services.container import Services
from server.services.records import LeaseLostError
from server.settings import Settings

LOOK: Final = 30  # seconds between looks at what is due
MINUTE: Final = 60_000  # milliseconds
DAY: Final = 24 * 60 * MINUTE

Work = Callable[[Services, Lease], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Job:
    """Something that one node does every so many milliseconds. ``work`` removes at most ``SWEEP`` things a call."""

    name: str
    every: int
    work: Work
    wanted: Callable[[Settings], bool] = lambda _: True


async def _uploads(services: Services, held: Lease) -> int:
    return await services.attachments.sweep(services.settings.upload_hours, held)


async def _sessions(services: Services, held: Lease) -> int:
    return await services.sessions.sweep(held)


async def _invitations(services: Services, held: Lease) -> int:
    before = services.clock.now() - (services.settings.invitation_days or 0) * DAY
    return await held.write(lambda tx: tx.invitations.forget_codes(before, SWEEP))


async def _journal(services: Services, held: Lease) -> int:
    before = services.clock.now() - (services.settings.journal_days or 0) * DAY
    return await held.write(lambda tx: tx.journals.forget(before, SWEEP))


async def _messages(services: Services, held: Lease) -> int:
    days = services.settings.message_days
    return 0 if days is None else await services.retention.sweep(days, held)


async def _documents(services: Services, _: Lease) -> int:
    """Write a few bytes to the bucket: a key that may read and no longer write is found out before a document is."""
    await services.attachments.files.prove()
    return 0


DOCUMENTS: Final = "documents"
"""The job whose failure says that the bucket takes nothing (``app``)."""

JOBS: Final = (
    Job("uploads", 15 * MINUTE, _uploads),
    Job("sessions", 15 * MINUTE, _sessions),
    Job("invitations", 60 * MINUTE, _invitations, lambda settings: settings.invitation_days is not None),
    Job("journal", 60 * MINUTE, _journal, lambda settings: settings.journal_days is not None),
    Job(DOCUMENTS, 5 * MINUTE, _documents, lambda settings: settings.blobs_url is not None),
    Job("messages", 60 * MINUTE, _messages, lambda settings: settings.message_days is not None),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """The part of one node: looks what is due, and does what it gets."""

    services: Services
    holder: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    async def work_for_ever(self) -> None:
        """Look, then wait, until cancelled."""
        while True:
            for job in JOBS:
                if job.wanted(self.services.settings):
                    await self.run(job)
            await asyncio.sleep(LOOK)

    async def run(self, job: Job) -> bool:
        """Run a job if it is due and free; tell whether it was brought to its end. A failure is told to the log."""
        services = self.services
        try:
            held = await lease.take(services.store, services.clock, job.name, self.holder, every=job.every)
            return held is not None and await self._do(job, held)
        except LeaseLostError:
            outcome = "lost"
        except (DomainError, OSError) as exc:
            outcome = "failed"
            telemetry.warning("job_failed", job=job.name, exc_type=type(exc).__name__)
        metrics.JOBS.add(job.name, outcome)
        return False

    async def _do(self, job: Job, held: Lease) -> bool:
        removed = 0
        try:
            while (count := await job.work(self.services, held)) >= SWEEP:
                removed += count
        except BaseException:
            await held.finish(None)
            raise
        removed += count
        await held.finish(removed)
        metrics.JOBS.add(job.name, "done")
        metrics.REMOVED.add(job.name, by=removed)
        if removed:
            telemetry.info("job_done", job=job.name, count=removed)
        return True
