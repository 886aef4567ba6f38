"""Now and then, remove what nobody needs any more: uploads that no message names, sessions that have ended."""

from __future__ import annotations

import asyncio
from typing import Final

from server import telemetry
from server.domain.errors import DomainError
from server.services.container import Services

EVERY: Final = 15 * 60  # seconds


async def sweep_for_ever(services: Services) -> None:
    """Sweep, then wait, until cancelled."""
    while True:
        await sweep(services)
        await asyncio.sleep(EVERY)


async def sweep(services: Services) -> None:
    """Sweep once. A refusal of the store or the disk is told to the log; the next round tries again."""
    try:
        uploads = await services.attachments.sweep(services.settings.upload_hours)
        sessions = await services.sessions.sweep()
    except (DomainError, OSError) as exc:
        telemetry.warning("sweep_failed", exc_type=type(exc).__name__)
        return
    if uploads + sessions:
        telemetry.info("swept", count=uploads + sessions)
