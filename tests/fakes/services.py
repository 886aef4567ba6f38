"""Real servers beside ours, one of each a test process; skipped, with the reason, where they cannot be had."""

from __future__ import annotations

import atexit
import functools

import pytest

from server.storage.schema import migrate
from tools.services import S3, LockedS3, MissingError, Postgres, Redis, Service


def _started(kind: type[Service]) -> Service | MissingError:
    try:
        service = kind()
        service.start()
    except MissingError as reason:
        return reason
    atexit.register(service.remove)
    return service


@functools.cache
def _kept(kind: type[Service]) -> Service | MissingError:
    return _started(kind)


def of(kind):
    """The process's own server of this kind."""
    service = _kept(kind)
    if isinstance(service, MissingError):
        pytest.skip(f"{kind.__name__}: {service}")
    return service


def own(kind):
    """A server of one's own, to damage; the caller removes it."""
    service = _started(kind)
    if isinstance(service, MissingError):
        pytest.skip(f"{kind.__name__}: {service}")
    return service


@functools.cache
def _template() -> str:
    postgres = of(Postgres)
    name = postgres.database()
    migrate(postgres.url(name))
    return name


def fresh_postgres() -> str:
    """The address of an empty database of the newest schema. Not on an event loop."""
    postgres = of(Postgres)
    return postgres.url(postgres.database(_template()))


__all__ = ["S3", "LockedS3", "Postgres", "Redis", "fresh_postgres", "of", "own"]
