"""``pli admin professional add``: an activation link for somebody whose identity the operator has checked."""

from __future__ import annotations

import asyncio
from typing import Any

from server.admin import office
from server.admin.lock import FolderLock
from server.admin.office import AddProfessional
from server.admin.terminal import CommandError
from server.app import SERVICES, STORE, build_app
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
            return office.ask(settings.data, office.PROFESSIONALS, asked)
        lock.require_owner()
        return {"activation_link": asyncio.run(_alone(settings, asked))}
    finally:
        lock.release()


async def _alone(settings: Settings, asked: AddProfessional) -> str:
    app = build_app(settings)
    await app[STORE].start()
    try:
        return await office.add_professional(app[SERVICES], asked, settings.address(settings.port))
    finally:
        await app[STORE].stop()
