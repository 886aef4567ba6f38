"""What the operator asks for while no server runs on the data folder."""

from __future__ import annotations

from server.admin import office
from server.admin.counter import AddProfessional
from server.app import SERVICES, STORE, build_app
from server.settings import Settings


async def add_professional(settings: Settings, asked: AddProfessional) -> str:
    """Make an activation and return the link that carries it. The lock of the folder is held."""
    app = build_app(settings)
    await app[STORE].start()
    try:
        return await office.add_professional(app[SERVICES], asked, settings.address(settings.port))
    finally:
        await app[STORE].stop()
