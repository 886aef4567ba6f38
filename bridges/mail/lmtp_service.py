"""The three listeners of operator mode. Source: docs/operate/mail.md, docs/spec/mail.md 18."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from cryptography import x509

from bridges.mail.intake import Intake
from bridges.mail.lmtp import Lmtp
from bridges.mail.lmtp_door import PatientDoor, Patients
from bridges.mail.lmtp_front import Front, runner
from bridges.mail.lmtp_policy import Policy
from bridges.mail.lmtp_trust import Trust
from bridges.mail.sandbox import Sandbox

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK: Final = "127.0.0.1"  # nginx and Postfix are on this machine: nobody else may speak to these ports


class Operator(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the configuration says of a patient domain. Relative paths start at the configuration's folder."""

    domain: str  # patients.example
    whitelist: Path  # signed list of trusted domains; replaced by a rename, read again when it changes
    authority: Path  # certificate that signed the list's one, PEM
    issuer: str | None = None  # name the authority must have
    signer: str | None = None  # name the list's certificate must have: the authority makes one for everybody
    hostname: str = ""  # ``myhostname`` of Postfix, whose own reports about our mails are let in
    lmtp: int = 2400  # ports on the loopback address
    policy: int = 2401
    front: int = 2402
    postfix: int = 2425  # where nginx hands over


@asynccontextmanager
async def serving(operator: Operator, box: str, *, patients: Patients, intake: Intake) -> AsyncIterator[None]:
    """Listen until the block ends; mails go to ``intake`` as those of ``box``.

    Raises:
        ValueError: the authority's file is no certificate. OSError: a file or a port.

    """
    authority = x509.load_pem_x509_certificate(operator.authority.read_bytes())
    trust = Trust(operator.whitelist, authority, operator.issuer, operator.signer)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        door = PatientDoor(operator.domain.lower(), box, trust, patients, intake, sandbox, operator.hostname)
        asked = runner(Front(LOOPBACK, operator.postfix))
        await asked.setup()
        stack.push_async_callback(asked.cleanup)
        await web.TCPSite(asked, LOOPBACK, operator.front).start()
        await stack.enter_async_context(_listening(Lmtp(door).serve, operator.lmtp))
        await stack.enter_async_context(_listening(Policy(door).serve, operator.policy))
        yield


@asynccontextmanager
async def _listening(serve: Serve, port: int) -> AsyncIterator[None]:
    """Serve until the block ends; then talks that go on are cut: whoever has no 250 keeps the mail."""
    talks = set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        talks.add(own)
        with suppress(asyncio.CancelledError):  # only the end of the block cancels it
            await serve(reader, writer)
        talks.discard(own)

    listener = await asyncio.start_server(talk, LOOPBACK, port)
    try:
        yield
    finally:
        listener.close()
        for each in list(talks):
            each.cancel()
        await asyncio.gather(*talks)
