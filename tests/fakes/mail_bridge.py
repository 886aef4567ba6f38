"""A mail bridge with all that is around it: an account of its own, a configuration, real mailboxes."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import time
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bridges.kit import accounts
from bridges.kit.beginning import Beginning
from bridges.kit.client import client
from bridges.kit.home import Home
from bridges.mail import process
from bridges.mail.config import load
from bridges.mail.inbox import Source
from bridges.mail.patients import Person
from bridges.mail.process import Desk
from crypto.codec import b64
from tests.fakes.dovecot import Dovecot
from tests.fakes.peer import rpps

INS = "279035121518989"  # test number of ANS
JEAN = Person(ins=INS, birth_name="CORSE", first_name="Anne", birth_date="1979-03-28", sex="F")
BOX = "pli@cabinet.mssante.fr"
LEROY = "dr.leroy@chu.mssante.fr"


def until(found: Callable[[], Any], what: str, patience: float = 60.0) -> Any:
    """Poll until it gives something, and give that."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


async def soon(found: Callable[[], Any], what: str, patience: float = 60.0) -> Any:
    """Poll on the loop until it gives something (a coroutine's value too), and give that."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        result = found()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {patience} s: {what}")


async def make_home(server: Any, folder: Path, name: str = "Passerelle du Cabinet du Sud") -> Home:
    """Make the account of a bridge."""
    token = await server.activation(name, "10", rpps())
    home = Home(folder)
    await accounts.create(Beginning(home, server.url, "pont MSSanté", lambda: None), b64(token))
    return home


def configuration(
    folder: Path, dovecot: Dovecot | None = None, *, box: str = "", top: str = "", user: str = "dr"
) -> Path:
    """Write a configuration that takes from and appends to a box of Dovecot; without one, mail goes nowhere."""
    secret = folder / "password"
    secret.write_text("secret\n")
    secret.chmod(0o600)
    path = folder / "bridge.toml"
    imap = (
        f"""
deliver = "append"
history = true
[box.imap]
host = "localhost"
port = {dovecot.port}
security = "starttls"
ca_file = "{dovecot.folder}/cert.pem"
login = {{ user = "{user}", password_file = "password" }}
"""
        if dovecot
        else ""
    )
    path.write_text(
        f"""
home = "home"
state = "state"
every = 0.2
patient_domains = ["patients.cabinet.mssante.fr"]
{top}

[[box]]
name = "cabinet"
address = "{BOX}"
owner = "Cabinet du Sud"
unknown = "bounce"
{box}
{imap}
"""
    )
    return path


@contextlib.asynccontextmanager
async def desk_of(path: Path) -> AsyncIterator[Desk]:
    """Open a bridge without running it: `pass_once` and its parts are called by the test."""
    config = load(path)
    home = Home(config.home)
    told: list[str] = []
    async with client(home, server=None, ask=str, tell=told.append) as made, process.opened(config, made, home) as desk:
        yield desk


@contextlib.asynccontextmanager
async def running_bridge(path: Path) -> AsyncIterator[Desk]:
    """Run a bridge on this loop until the block ends."""
    async with desk_of(path) as desk:
        task = asyncio.create_task(process.run(desk))
        try:
            yield desk
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=30)
            left = [] if task.done() else [f"{each.get_name()} {each.get_stack()}" for each in asyncio.all_tasks()]
            assert task.done(), left  # SIGTERM would have no end


async def take(desk: Desk, *raws: bytes, box: str = "cabinet") -> list[tuple[str, str | None]]:
    """Hand mails to a bridge, let it work once, and give what became of each."""
    kept = [desk.keep(raw, Source(box)) for raw in raws]
    await desk.pass_once()
    rows = [desk.state.one("SELECT state, reason FROM mails WHERE id = ?", (each.id,)) for each in kept]
    return [(row[0], row[1]) for row in rows if row]


def sent(desk: Desk, box: str = "cabinet") -> list[EmailMessage]:
    """Give the mails that are to leave, read by the standard library, and take them as sent."""
    leased = desk.outgoing.due(box)
    for each in leased:
        desk.outgoing.sent(each.id)
    return [email.message_from_bytes(each.mail.raw, policy=email.policy.default) for each in leased]


def mail(
    text: str = "Bonjour",
    *,
    number: int | str = 1,
    sender: str = f"Dr Leroy <{LEROY}>",
    to: str = f"{INS}@patients.cabinet.mssante.fr",
    subject: str = "Retour de consultation",
    fields: str = "",
) -> bytes:
    """Write a mail by hand: nothing of ours made it."""
    head = f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{number}@chu.mssante.fr>\r\n"
    kind = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    return f"{head}{fields}{kind}\r\n{text}\r\n".encode()
