"""People who agree on appointments through the kit, and the automate of a practice as a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridges.kit import accounts, appointments_log, claims
from bridges.kit.appointments_state import Appointment, derive
from bridges.kit.beginning import Beginning
from bridges.kit.client import Client, client
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from bridges.kit.wire import to_text
from crypto.codec import b64
from tests.fakes.peer import rpps

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
AUTOMATE = "Agenda du cabinet (automate)"
ABOUT = {
    "bring": ["Carte Vitale"],
    "cancel_before": 60,
    "concerned": None,
    "link": "",
    "mode": "practice",
    "note": "",
    "place": "Cabinet des Lilas",
    "what": "Consultation de cardiologie",
    "zone": "Europe/Paris",
}


async def soon(found: Callable[[], Any], what: str, patience: float = 90.0) -> Any:
    """Ask until it gives something, and give that."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if result := await found():
            return result
        await asyncio.sleep(0.2)
    raise AssertionError(f"not within {patience} s: {what}")


@dataclass
class Actor:
    """Somebody with a device of the kit."""

    client: Client
    conversation: bytes = b""

    @property
    def account(self) -> str:
        return to_text(self.client.device.id)

    async def acts(self, conversation: bytes | None = None) -> list[appointments_log.Placed]:
        await self.client.device.catch_up_own()
        reading = await self.client.look(conversation or self.conversation)
        return list(appointments_log.acts_of(reading.log))

    async def said(self, act: str, conversation: bytes | None = None) -> list[appointments_log.Placed]:
        return [each for each in await self.acts(conversation) if each.said.payload["act"] == act]

    async def agreed(self) -> Appointment:
        """The newest appointment of the conversation."""
        book = derive(each.said for each in await self.acts())
        return list(book.appointments.values())[-1]

    async def standing(self) -> str:
        return (await self.agreed()).state(int(time.time() * 1000))

    async def say(self, act: str, appointment: str | None = None, /, **fields: Any) -> str:
        """Say an act; gives the id of its message."""
        accepted = await appointments_log.say(
            self.client, self.conversation, act, appointment, fields, key=os.urandom(8).hex()
        )
        return to_text(accepted.id)

    async def propose(self, *slots: dict[str, Any], **about: Any) -> str:
        expires = slots[-1]["start"]
        return await self.say("propose", slots=list(slots), expires=expires, **{**ABOUT, **about})

    async def free(self) -> list[dict[str, Any]]:
        """The free slots that the automate has told the practice."""
        for row in await self.client.device.api.conversations():
            told = await self.said("availability", bytes(row.conversation))
            if told:
                return list(told[-1].said.payload["slots"])
        return []


@asynccontextmanager
async def doctor(server: Any, folder: Path, name: str = "Claire Martin") -> AsyncIterator[tuple[Actor, str]]:
    """A professional, and the recovery code of her account."""
    token = b64(await server.activation(name, "10", rpps()))
    home = Home(folder / "doctor")
    home.prepare()
    made = await accounts.create(
        Beginning(home, server.url, "Poste du cabinet", lambda: None), f"{server.url}/a#{token}"
    )
    async with client(home, server=None, ask=lambda: "", tell=print) as opened:
        yield Actor(opened), made.recovery_code


@asynccontextmanager
async def patient_of(actor: Actor, folder: Path, name: str = "Jean Dupont") -> AsyncIterator[Actor]:
    """A patient who took the letter of a professional; both then look at the same conversation."""
    invited = await actor.client.starting.invite(name, "Suivi", Draft("Bonjour"), days=30)
    actor.conversation = bytes(invited.started.conversation)
    home = Home(folder / name.split(maxsplit=1)[0])
    home.prepare()
    begin = Beginning(home, actor.client.device.home.server or "", "Téléphone", lambda: None)
    taken = await claims.claim(begin, claims.Ticket.read(link=invited.link, code=None))
    async with client(home, server=None, ask=lambda: "", tell=print) as opened:
        yield Actor(opened, bytes(taken.conversation))


async def automate_home(server: Any, folder: Path, recovery_code: str) -> Path:
    """A further device of the practice's account, named as patients will see it."""
    home = Home(folder / "automate")
    home.prepare()
    await accounts.recover(Beginning(home, server.url, AUTOMATE, lambda: None), recovery_code)
    return home.folder


_MAIN = "import sys; from bridges.__main__ import main; sys.exit(main())"


@dataclass
class Automate:
    """``pli-bridge agenda`` as a process."""

    home: Path
    config: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    hurried: str = ""  # what is said before it starts, for those who cannot wait ten minutes

    def start(self, **environment: str) -> None:
        begun = ["-c", f"{self.hurried}; {_MAIN}"] if self.hurried else ["-m", "bridges"]
        command = [sys.executable, *begun, "--home", str(self.home), "agenda", "--config", str(self.config)]
        with self.log.open("ab") as log:
            env = {**os.environ, "PLI_PASSPHRASE": "", **environment}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None
