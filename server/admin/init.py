"""``pli init``: make a data folder. What is already there stays as it is."""

from __future__ import annotations

from contextlib import nullcontext

from server.admin import terminal
from server.admin.folder import require_keys
from server.admin.lock import FolderLock
from server.admin.migrate import reached
from server.domain.ids import b64
from server.settings import Settings
from server.storage.identity import DATABASE, init_data


def make(settings: Settings) -> dict[str, str]:
    """Lay out ``settings.data`` and return who this server is. An interrupted one is brought to its end.

    Raises:
        CommandError: ``data_in_use``, ``other_owner``, ``keys_missing``, ``no_room``, ``not_accessible``,
            ``database_refused``.

    """
    with terminal.explained():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (settings.data / DATABASE).is_file():
            require_keys(settings.data)
        lock = FolderLock(settings.data)
        lock.require()
        try:
            with reached() if settings.database_url else nullcontext():
                identity = init_data(settings.data, settings.database_url)
        finally:
            lock.release()
    return {"data": str(settings.data), "server": b64(identity.id), "registry_key": b64(identity.registry.public)}
