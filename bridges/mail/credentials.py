"""How a box is entered: secrets read when needed, tokens fetched fresh, kept nowhere. Source: docs/spec/mail.md 13."""

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bridges.kit.errors import UsageError
from bridges.kit.keystore import write_atomically
from bridges.mail.config import Login, Refresh, Server, read_secret

_PATIENCE: Final = 30.0  # seconds for a command or an endpoint to give a token
_MAX_TOKEN: Final = 16_384
_LOCAL: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class CredentialsError(Exception):
    """``refused``: the provider wants the person again, trying does not help. Otherwise nobody answered."""

    def __init__(self, detail: str, *, refused: bool) -> None:
        super().__init__(detail)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Secret:
    """What is shown at the door. ``certificate``: the TLS handshake has said all (SASL EXTERNAL)."""

    kind: Literal["password", "token", "certificate"]
    user: str
    text: str = field(default="", repr=False)


class _Granted(msgspec.Struct):
    access_token: str
    refresh_token: str = ""


async def read_credentials(login: Login) -> Secret:
    """Give the secret of a box, fresh.

    Raises:
        CredentialsError. UsageError (``home_unsafe``, ``file_unreadable``).

    """
    if login.password_file:
        return Secret("password", login.user, read_secret(login.password_file))
    if login.token_command:
        return Secret("token", login.user, await _run(login.token_command))
    if login.refresh:
        return Secret("token", login.user, await _refresh(login.refresh))
    return Secret("certificate", login.user)


def context_of(server: Server) -> ssl.SSLContext:
    """Give a TLS context: verified, 1.2 or more, with the client certificate where there is one."""
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if server.login.certificate_file:
            context.load_cert_chain(server.login.certificate_file, server.login.key_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(server.ca_file or "")) from error
    return context


async def _run(command: list[str]) -> str:
    """Run the command of the practice; its first line is the token. It gets no variable of ours but PATH and HOME."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise CredentialsError(f"token_command: {type(error).__name__}", refused=True) from None
    try:
        out, _ = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CredentialsError("token_command: too slow", refused=False) from None
    token = out[:_MAX_TOKEN].decode("ascii", "replace").partition("\n")[0].strip()
    if process.returncode != 0 or not token:
        raise CredentialsError("token_command: no token", refused=False)
    return token


async def _refresh(how: Refresh) -> str:
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
    return granted.access_token


async def _ask(url: str, form: dict[str, str]) -> _Granted:
    try:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.post(url, data=form, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(_MAX_TOKEN * 2)
            if answer.status in {400, 401, 403}:
                raise CredentialsError("refresh: refused", refused=True)
            if answer.status != 200:
                raise CredentialsError(f"refresh: {answer.status}", refused=False)
            return msgspec.json.decode(body, type=_Granted)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        raise CredentialsError(f"refresh: {type(error).__name__}", refused=False) from None
