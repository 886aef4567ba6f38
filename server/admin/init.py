"""``pli init``: make a data folder. What is already there stays as it is."""

from __future__ import annotations

from server.admin.lock import FolderLock
from server.domain.ids import b64
from server.settings import Settings
from server.storage.identity import init_data


def make(settings: Settings) -> dict[str, str]:
    """Lay out ``settings.data`` and return who this server is."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FolderLock(settings.data)
    lock.require()
    identity = init_data(settings.data, settings.database_url)
    lock.release()
    return {"data": str(settings.data), "server": b64(identity.id), "registry_key": b64(identity.registry.public)}
