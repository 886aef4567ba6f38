"""The running drop folder: look, say, write back, rest. Source: docs/operate/folder.md."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from bridges.folder.answers import Answers
from bridges.folder.carrying import Carrying
from bridges.folder.config import Config
from bridges.folder.drop import Drop
from bridges.folder.journal import Journal
from bridges.folder.sandbox import FolderSandbox
from bridges.kit.client import Client
from bridges.kit.errors import KitError, RefusedError, UnreachableError
from bridges.kit.home import Home
from bridges.mail.patients import Patients
from bridges.mail.process import hider
from bridges.mail.state import State
from bridges.mail.threads import Threads
from bridges.mail.voice import Voice
from crypto.errors import ProtocolError

FILE: Final = "folder.sqlite"


@dataclass(slots=True)
class Post:
    """One folder and one account; made by ``opened``."""

    config: Config
    client: Client
    drop: Drop
    threads: Threads
    voice: Voice
    carrying: Carrying
    answers: Answers
    tell: Callable[[str], None]
    _begun: bool = False

    async def pass_once(self) -> None:
        """Carry what is complete, write back what came.

        Raises:
            UnreachableError, RefusedError: the server is away. ProtocolError: an alarm. OSError: the folder is away.

        """
        self.drop.prepare()
        async with self.voice.alone():
            for dropped in self.drop.complete():
                await self.carrying.carry(dropped)
            for conversation in await self._heard():
                await self._write(conversation)
            self._begun = True

    async def _heard(self) -> list[bytes]:
        """Give the conversations in which something happened; at the beginning all, for what a crash left over."""
        entries = await self.client.feed.drain()
        known = [thread.conversation for thread in self.threads.all()]
        if not self._begun:
            return known
        news = {bytes(each.conversation) for each in entries}
        return [each for each in known if each in news]

    async def _write(self, conversation: bytes) -> None:
        thread = self.threads.get(conversation)
        assert thread is not None, "among the known ones"
        try:
            await self.answers.write(thread)
        except UnreachableError:
            self._begun = False
            raise
        except (RefusedError, ProtocolError) as error:
            self.tell(f"{error.code}: {conversation.hex()[:16]}")

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.pass_once()
            except (KitError, ProtocolError) as error:
                self._begun = False
                self.tell(str(error.code))
            except OSError as error:
                self.tell(f"{type(error).__name__}: {error.filename or ''}")
            await asyncio.sleep(self.config.every)


@asynccontextmanager
async def opened(config: Config, client: Client, home: Home, tell: Callable[[str], None]) -> AsyncIterator[Post]:
    """Put a drop folder together over its state."""
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = client.device.keys
    hide, state = hider(keys), State(config.state / FILE, seal=keys.seal, unseal=keys.open)
    patients, threads, journal = Patients(state, hide), Threads(state, hide), Journal(state)
    drop = Drop(config.folder, config.settle, config.patience, client.device.attachment_limit)
    voice = Voice(client, threads, home)
    answers = Answers(drop, journal, voice, patients, threads)
    try:
        async with FolderSandbox() as sandbox:
            carrying = Carrying(config, drop, journal, sandbox, voice, patients, threads)
            yield Post(config, client, drop, threads, voice, carrying, answers, tell)
    finally:
        state.close()
