"""Access tokens: fetched with a refresh token, in memory until they end, never on a disk. Source: docs/spec/mail.md 13.

A refresh token counts once where the provider turns them (RFC 9700 4.14.2): whoever shows an old one ends the whole
grant. So one token serves everybody here, and the file of the refresh token is locked against other processes.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridges.kit.errors import UsageError
from bridges.kit.keystore import write_atomically
from bridges.mail.config import Refresh, read_secret

PATIENCE: Final = 30.0  # seconds for a command or an endpoint to give a token, and for another process to let go
MAX_TOKEN: Final = 16_384  # bytes
EARLY: Final = 5.0  # seconds before its end in which a token is not shown any more, a quarter of its life at most
_WHOLE: Final = 1.0  # seconds besides: providers count whole ones, so a token of 4 s may end 3 s after it was made
UNTOLD: Final = 60.0  # seconds that a token counts whose provider does not say how long it lives
_LOOK: Final = 0.05  # seconds between two looks whether another process has let go
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class CredentialsError(Exception):
    """``refused``: the provider wants the person again, trying does not help. Otherwise nobody answered."""

    def __init__(self, detail: str, *, refused: bool) -> None:
        super().__init__(detail)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class _Token:
    text: str = field(repr=False)
    ends: float  # on the clock of ``Tokens``


class _Granted(msgspec.Struct):
    access_token: str
    expires_in: float = UNTOLD
    refresh_token: str = ""


class _No(msgspec.Struct):
    error: str = ""  # RFC 6749 5.2


class Tokens:
    """The access tokens of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: dict[Refresh, _Token] = {}
        self._turns: dict[Path, asyncio.Lock] = {}

    async def fetch(self, how: Refresh) -> str:
        """Give an access token that counts now, the same one until it ends.

        Raises:
            CredentialsError: ``sign_in_again`` (the refresh token is worth nothing any more), ``client_refused`` (the
                provider does not know this program), both for good. UsageError (``home_unsafe``, ``file_unreadable``).

        """
        async with self._turns.setdefault(how.refresh_token_file, asyncio.Lock()):
            held = self._held.get(how)
            if held is None or held.ends <= self._clock():
                self._held.pop(how, None)
                async with _alone(how.refresh_token_file):
                    held = self._held[how] = await self._granted(how)
            return held.text

    def forget(self, how: Refresh) -> None:
        """Show a token no more that a server has refused; the next one is fetched anew."""
        self._held.pop(how, None)

    async def _granted(self, how: Refresh) -> _Token:
        began = self._clock()
        granted = await _refresh(how)
        lives = granted.expires_in
        return _Token(granted.access_token, began + lives - _WHOLE - min(EARLY, lives / 4))


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[None]:
    """Keep other processes (``doctor`` beside a running bridge) from showing the same refresh token."""
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    try:
        for _ in range(int(PATIENCE / _LOOK)):
            if _locked(handle):
                break
            await asyncio.sleep(_LOOK)
        else:
            raise CredentialsError("refresh: another process holds the token", refused=False)
        yield
    finally:
        os.close(handle)  # ends the lock, as the end of the process does


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _refresh(how: Refresh) -> _Granted:
    parts = urlsplit(how.url)
    if parts.scheme != "https" and parts.hostname not in _LOCAL:
        raise CredentialsError("refresh: not https", refused=True)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": read_secret(how.refresh_token_file),
        "client_id": how.client_id,
    }
    if how.client_secret_file:
        form["client_secret"] = read_secret(how.client_secret_file)
    granted = await _ask(how.url, form)
    if granted.refresh_token and granted.refresh_token != form["refresh_token"]:
        write_atomically(how.refresh_token_file, granted.refresh_token.encode())  # the old one is worth nothing now
    return granted


async def _ask(url: str, form: dict[str, str]) -> _Granted:
    try:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.post(url, data=form, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(MAX_TOKEN * 2)
            if answer.status in {400, 401, 403}:
                ended = msgspec.json.decode(body, type=_No).error == "invalid_grant"
                raise CredentialsError("sign_in_again" if ended else "client_refused", refused=True)
            if answer.status != 200:
                raise CredentialsError(f"refresh: {answer.status}", refused=False)
            return msgspec.json.decode(body, type=_Granted)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise CredentialsError(f"refresh: {type(error).__name__}", refused=False) from None
