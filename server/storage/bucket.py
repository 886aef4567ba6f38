"""The bucket of documents: how it is opened, and whether it takes and gives them now."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import obstore
import obstore.exceptions
from obstore.store import S3Store

from server import telemetry

PROBE: Final = "probe"
"""An object of three bytes that stays: to put and remove one each time would fill a bucket that keeps versions."""
EVERY: Final = 15.0  # seconds between two questions of a node
PATIENCE: Final = 5.0  # seconds an answer may take, tries again included
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>|\(code: ([A-Za-z0-9]{1,60})\)")


class Condition(Enum):
    """What a bucket answers. The value is the ``code`` of a log line."""

    READY = "ready"
    ABSENT = "absent"  # the bucket is there, the object is not
    REFUSED = "refused"
    MISSING = "missing"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Answer:
    """A condition, and the code of S3's own error (``InvalidAccessKeyId``) where it gave one."""

    condition: Condition
    code: str = ""

    def sentence(self) -> str:
        """Return it for the operator. No address and no key is in it."""
        because = f" ({self.code})" if self.code else ""
        return _SENTENCES[self.condition] + because


_SENTENCES: Final = {
    Condition.READY: "the document store is ready",
    Condition.ABSENT: "the document store does not keep what it takes",
    Condition.REFUSED: "the document store refuses the key",
    Condition.MISSING: "the document store has no such bucket",
    Condition.AWAY: "the document store does not answer",
}


class RefusedBucketError(RuntimeError):
    """A bucket that no waiting will bring: the key is refused, or it does not exist. The text is for the operator."""


def connect(url: str) -> S3Store:
    """Open the bucket at ``s3://bucket/prefix?endpoint=…&region=…``; the keys come from ``AWS_*`` variables.

    Nothing is asked yet.

    Raises:
        RefusedBucketError: the address cannot be read.

    """
    told = urlsplit(url)
    options = dict(parse_qsl(told.query))
    endpoint = options.get("endpoint", "")
    client: Any = {"connect_timeout": "3s", "timeout": "60s", "allow_http": endpoint.startswith("http:")}
    retry: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
    config: Any = {"region": options.get("region", "us-east-1")} | ({"endpoint": endpoint} if endpoint else {})
    if not told.netloc:
        raise RefusedBucketError("PLI_BLOBS_URL names no bucket")
    return S3Store(
        told.netloc, prefix=told.path.strip("/") or None, config=config, client_options=client, retry_config=retry
    )


async def ask(bucket: S3Store, *, write: bool = False) -> Answer:
    """Read the probe; put it there if it is not, or in any case (``write``). Never raises; takes ``PATIENCE`` at most.

    Reading comes first: some stores make a bucket of whatever name something is put into.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await _ask(bucket, write=write)
    except TimeoutError:
        return Answer(Condition.AWAY)


async def _ask(bucket: S3Store, *, write: bool) -> Answer:
    found = await tried(_read(bucket))
    if found.condition in {Condition.MISSING, Condition.AWAY} or (found.condition is Condition.READY and not write):
        return found
    # "Refused" may be how S3 says "absent" to a key that may not list, so putting decides.
    written = await tried(obstore.put_async(bucket, PROBE, b"pli"))
    return await tried(_read(bucket)) if written.condition is Condition.READY else written


async def _read(bucket: S3Store) -> None:
    await (await obstore.get_async(bucket, PROBE)).bytes_async()


async def tried(work: Awaitable[object]) -> Answer:
    """Do something with a bucket and say how it went."""
    try:
        await work
    except FileNotFoundError as exc:
        code = _code(exc)
        return Answer(Condition.MISSING if code == "NoSuchBucket" else Condition.ABSENT, code)
    except (obstore.exceptions.PermissionDeniedError, obstore.exceptions.UnauthenticatedError) as exc:
        return Answer(Condition.REFUSED, _code(exc))
    except obstore.exceptions.BaseError as exc:
        code = _code(exc)
        return Answer(Condition.REFUSED if code == "AccessDenied" else Condition.AWAY, code)
    return Answer(Condition.READY)


def _code(exc: Exception) -> str:
    """Return the code that S3 gave. The rest of the text has addresses in it."""
    found = _CODE.search(str(exc))
    return next(filter(None, found.groups())) if found else ""


class BucketWatch:
    """Knows whether documents can be stored now, without asking at each question.

    It reads. Whether the bucket takes something too is tried now and then by one node for all (``jobs.work``); after
    a failure (``written``) every node tries for itself, until it is mended.
    """

    def __init__(self, bucket: S3Store, written: Callable[[], Awaitable[bool]]) -> None:
        self._bucket = bucket
        self._written = written
        self._condition = Condition.READY

    async def require(self) -> None:
        """Ask for the first time. A bucket that is away may come; the node works without it.

        Raises:
            RefusedBucketError: it refuses the key, or does not exist.

        """
        answer = await ask(self._bucket, write=True)
        if answer.condition not in {Condition.READY, Condition.AWAY}:
            raise RefusedBucketError(answer.sentence())
        self._learn(answer.condition)

    async def watch_for_ever(self) -> None:
        """Ask every ``EVERY`` seconds."""
        while True:
            await asyncio.sleep(EVERY)
            self._learn((await ask(self._bucket, write=not await self._written())).condition)

    async def ready(self) -> bool:
        """Tell what the last answer was."""
        return self._condition is Condition.READY

    def _learn(self, condition: Condition) -> None:
        if condition is self._condition:
            return
        self._condition = condition
        if condition is Condition.READY:
            telemetry.info("documents_back")
        else:
            telemetry.warning("documents_away", code=condition.value)
