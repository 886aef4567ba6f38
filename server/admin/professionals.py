"""``pli admin professional add``: an activation link for somebody whose identity the operator has checked."""

from __future__ import annotations

import asyncio
from typing import Any

from server.admin import counter
from server.admin.counter import AddProfessional
from server.admin.lock import FolderLock
from server.admin.terminal import CommandError
from server.settings import Settings


def add(settings: Settings, *, name: str, profession: str, identifier: str) -> dict[str, Any]:
    """Make the link: through the server that runs on this data folder, else alone.

    Raises:
        CommandError: the folder is not laid out, or is not for root to write.
        DomainError: a name, a profession or an RPPS number that cannot be.

    """
    if not (settings.data / "server.key").is_file():
        hint = f"run `pli init --data {settings.data}` first"
        raise CommandError("not_initialised", f"{settings.data} is no data folder of Pli", hint=hint)
    asked = AddProfessional(name=name, profession=profession, identifier=identifier)
    lock = FolderLock(settings.data)
    try:
        if not lock.take():
            return counter.ask(settings.data, counter.PROFESSIONALS, asked)
        lock.require_owner()
        from server.admin import alone  # noqa: PLC0415  # the whole server: not when one runs

        return {"activation_link": asyncio.run(alone.add_professional(settings, asked))}
    finally:
        lock.release()
