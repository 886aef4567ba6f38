"""Real servers beside ours, one of each a test process; skipped, with the reason, where they cannot be had."""

from __future__ import annotations

import atexit
import functools

import obstore
import pytest
from obstore.store import S3Store

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


def make_bucket(service: LockedS3) -> None:
    """Make the bucket `documents`: SeaweedFS does for who may do everything and puts something into it."""
    config = {"endpoint": service.url, "access_key_id": "whole", "secret_access_key": service.SECRET}
    made = S3Store("documents", config=config | {"region": "here"}, client_options={"allow_http": True})
    obstore.put(made, "first", b"x")


def at(service: S3, name: str = "documents") -> str:
    """The address of a bucket, as `PLI_BLOBS_URL` has it."""
    return f"s3://{name}?endpoint={service.url}&region=here"


__all__ = ["S3", "LockedS3", "Postgres", "Redis", "at", "fresh_postgres", "make_bucket", "of", "own"]
