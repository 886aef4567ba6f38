"""How a box is entered: secrets read when needed, tokens fetched fresh, kept nowhere. Source: docs/spec/mail.md 13."""

import asyncio
import os
import ssl
from dataclasses import dataclass, field
from typing import Final, Literal

from bridges.kit.errors import UsageError
from bridges.mail.config import Login, Server, read_secret
from bridges.mail.tokens import MAX_TOKEN, PATIENCE, CredentialsError, Tokens
from bridges.sandbox.parent import kill

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"  # of TLS 1.2: forward secret and authenticated, all of them


@dataclass(frozen=True, slots=True)
class Secret:
    """What is shown at the door. ``certificate``: the TLS handshake has said all (SASL EXTERNAL)."""

    kind: Literal["password", "token", "certificate"]
    user: str
    text: str = field(default="", repr=False)


async def read_credentials(login: Login, tokens: Tokens) -> Secret:
    """Give the secret of a box as it is now.

    Raises:
        CredentialsError. UsageError (``home_unsafe``, ``file_unreadable``).

    """
    if login.password_file:
        return Secret("password", login.user, read_secret(login.password_file))
    if login.token_command:
        return Secret("token", login.user, await _run(login.token_command))
    if login.refresh:
        return Secret("token", login.user, await tokens.fetch(login.refresh))
    return Secret("certificate", login.user)


def context_of(server: Server) -> ssl.SSLContext:
    """Give a TLS context: verified, 1.2 or more, with the client certificate where there is one."""
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
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
        async with asyncio.timeout(PATIENCE):
            out, _ = await process.communicate()
    except TimeoutError:
        kill(process)
        await process.wait()
        raise CredentialsError("token_command: too slow", refused=False) from None
    token = out[:MAX_TOKEN].decode("ascii", "replace").partition("\n")[0].strip()
    if process.returncode != 0 or not token:
        raise CredentialsError("token_command: no token", refused=False)
    return token
