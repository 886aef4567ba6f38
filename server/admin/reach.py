"""What ``pli doctor`` asks of PostgreSQL, Redis and the bucket of documents, and what it advises.

No line carries an address or the text of an exception: either may hold a password.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, Literal, TypeVar

import asyncpg
import obstore
from obstore.store import S3Store
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from server.storage import bucket, postgres
from server.storage.bucket import Answer, Condition
from server.storage.engine import Row
from server.storage.postgres import LOST, PostgresConnection, RefusedDatabaseError
from server.storage.schema import postgres_revision

T = TypeVar("T")
Verdict = Literal["ok", "look", "fix"]
Told = tuple[Verdict, str]
OK: Final[Told] = "ok", ""

_REDIS: Final = 3  # seconds for a connection or an answer


class UnaskedError(Exception):
    """PostgreSQL could not be asked; its own line, or that of its schema, says why."""


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


def database(url: str) -> Told:
    """Connect, and check what ``pli serve`` checks at start."""
    try:
        _with(url, postgres.check)
    except RefusedDatabaseError as exc:
        return "fix", f"{exc}; `pli serve` refuses to start on it"
    except ValueError:
        return "fix", "PLI_DATABASE_URL cannot be read: look at what follows its `?` (sslmode, for example)"
    except (asyncpg.PostgresError, *LOST) as exc:
        return "fix", _refusal(exc)
    return OK


def rows(url: str, sql: str) -> list[Row]:
    """Return what a query finds.

    Raises:
        UnaskedError: nobody answers, or it refuses.

    """
    return _asked(lambda: _with(url, lambda connection: connection.execute(sql).rows))


def revision(url: str) -> str | None:
    """Return the revision that the schema is at, or none.

    Raises:
        UnaskedError: nobody answers, or it refuses.

    """
    return _asked(lambda: postgres_revision(url))


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except (ValueError, asyncpg.PostgresError, *LOST):
        raise UnaskedError from None


def _with(url: str, use: Callable[[PostgresConnection], T]) -> T:
    connection = PostgresConnection(url, read_only=True)
    try:
        return use(connection)
    finally:
        connection.close()


_DATABASE_SAYS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (
        asyncpg.InvalidPasswordError,
        "refuses the password: is the file that PGPASSFILE names 0400, ours, and does its line fit?",
    ),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "does not let this user in from here: CREATE ROLE, or a line in pg_hba.conf",
    ),
    (asyncpg.InvalidCatalogNameError, "has no such database: CREATE DATABASE … ENCODING 'UTF8', then `pli migrate`"),
    (asyncpg.TooManyConnectionsError, "has no connection left: raise max_connections, or end who holds them"),
    (
        LOST,
        "does not answer: does it run, are host and port of PLI_DATABASE_URL right, does the network allow it?",
    ),
)


def _refusal(exc: BaseException) -> str:
    """Say what to do about a PostgreSQL that does not let us in."""
    unknown = f"refuses ({type(exc).__name__}); its log says why"
    return next((told for kind, told in _DATABASE_SAYS if isinstance(exc, kind)), unknown)


# --- Redis ------------------------------------------------------------------------------------------------------------


_REDIS_SAYS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (AuthenticationError, "refuses the password in PLI_REDIS_URL, or wants one (redis://:password@host/0)"),
    (NoPermissionError, "does not let this user publish: ACL SETUSER … &pli:* +spublish +ssubscribe +sunsubscribe"),
    (ResponseError, "refuses to publish; Redis 7 or newer is needed, and its log says why"),
    (ValueError, "PLI_REDIS_URL cannot be read: look at what follows its `?`"),
    (Exception, "does not answer: does it run, is PLI_REDIS_URL right? Other nodes' messages come a second late"),
)
"""In this order: a refusal of the password is one of the connection too."""


def hints(url: str) -> Told:
    """Publish a hint that nobody listens to, which is all that a node needs of Redis beside hearing them."""
    try:
        with Redis.from_url(url, socket_timeout=_REDIS, socket_connect_timeout=_REDIS) as redis:
            redis.execute_command("SPUBLISH", "pli:doctor", b"")
    except (RedisError, OSError, ValueError) as exc:
        return "fix", next(told for kind, told in _REDIS_SAYS if isinstance(exc, kind))
    return OK


# --- the bucket of documents ------------------------------------------------------------------------------------------

_ADVICE: Final = {
    Condition.REFUSED: "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, the clock, and that the key may get and put",
    Condition.MISSING: "make it, or correct PLI_BLOBS_URL; `pli serve` refuses to start without it",
    Condition.AWAY: "does it run, are endpoint and region of PLI_BLOBS_URL right, are AWS_ACCESS_KEY_ID and"
    " AWS_SECRET_ACCESS_KEY set? Messages go on, documents do not",
    Condition.ABSENT: "what was put there could not be read back; look at its own log",
}


def documents(url: str) -> Told:
    """Put, read and delete an object in the bucket, as documents are."""
    try:
        store = bucket.connect(url)
    except bucket.RefusedBucketError as exc:
        return "fix", f"{exc}: say s3://bucket?endpoint=https://host&region=here"
    return asyncio.run(_documents(store))


async def _documents(store: S3Store) -> Told:
    answer = await bucket.ask(store, write=True)
    if answer.condition is not Condition.READY:
        return "fix", f"{answer.sentence()}; {_ADVICE[answer.condition]}"
    removed = await _removed(store)
    if removed.condition is not Condition.READY:
        return "fix", f"the key may not delete{removed.code and f' ({removed.code})'}: documents would stay for ever"
    return OK


async def _removed(store: S3Store) -> Answer:
    """Delete an object of our own: the probe is the nodes'."""
    name = f"{bucket.PROBE}-{secrets.token_hex(8)}"
    try:
        async with asyncio.timeout(bucket.PATIENCE):
            written = await bucket.tried(obstore.put_async(store, name, b"pli"))
            if written.condition is not Condition.READY:
                return written
            return await bucket.tried(obstore.delete_async(store, name))
    except TimeoutError:
        return Answer(Condition.AWAY)
