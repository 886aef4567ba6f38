"""A mail bridge that is killed again and again, between any two of its steps (reliability.md G13).

Mails lie in a real Dovecot, a real server keeps the conversations, a patient answers; the bridge is a process of its own
and gets SIGKILL at moments that a seed draws. At the end every mail is one message, every answer is one mail.

`python -m tests.faults.mail_restarts --release` is the campaign of a release: 20,000 mails and 300 kills, in
`make faults-release`; without it 1,000 and 20, as in `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import email
import email.policy
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crypto import envelope
from crypto.codec import unb64
from server import telemetry
from tests.fakes.dovecot import Dovecot, running_dovecot
from tests.fakes.mail_bridge import JEAN, configuration, desk_of, mail, make_home
from tests.fakes.peer import Peer
from tests.fakes.server import running

ROOT = Path(__file__).resolve().parents[2]
MEMORY = Path("/dev/shm")  # a killed process loses nothing of a page cache, so no disk has to be waited for
IN_CI, IN_RELEASE = (1_000, 20), (20_000, 300)  # mails, kills (reliability goal G13)
SUBJECTS = 10  # conversations
ANSWERS = 20  # mails for each answer of the patient
_WORDS = re.compile(r"Courrier (\d+)\.")


@dataclass
class Result:
    """What became of all mails. Everything that must be 0 is named in `faults`."""

    mails: int
    kills: int
    answers: int = 0
    seconds: float = 0.0
    lost: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    answers_lost: list[str] = field(default_factory=list)
    answers_doubled: list[str] = field(default_factory=list)
    quarantined: int = 0
    unmarked: int = 0

    @property
    def faults(self) -> int:
        """How many things are wrong."""
        found = (self.lost, self.doubled, self.answers_lost, self.answers_doubled)
        return sum(map(len, found)) + self.quarantined + self.unmarked


class Bridges:
    """Forks bridges and kills them."""

    def __init__(self, process: asyncio.subprocess.Process, config: Path) -> None:
        self._process, self._config = process, config
        self._pid = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def ready(cls, config: Path) -> AsyncIterator[Bridges]:
        command = (sys.executable, "-m", "tests.faults.mail_bridge_forks")
        pipe = asyncio.subprocess.PIPE
        log = (config.parent / "log").open("ab")
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=log, cwd=ROOT)
        made = cls(process, config)
        try:
            yield made
        finally:
            made.kill()
            process.stdin.close()
            await process.wait()
            log.close()

    async def start(self) -> None:
        """Fork one."""
        self._process.stdin.write(f"{self._config}\n".encode())
        self._pid = int(await self._process.stdout.readline())

    def kill(self) -> None:
        """End it as a power cut would, with its children."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
        self._pid = 0


@dataclass
class Campaign:
    """One run over one folder."""

    folder: Path
    dovecot: Dovecot
    jean: Peer
    claire: Peer
    draw: random.Random
    result: Result
    said: list[str] = field(default_factory=list)

    async def run(self, config: Path, patience: float) -> None:
        begun = time.monotonic()
        async with Bridges.ready(config) as bridges:
            for kill in range(self.result.kills):
                await bridges.start()
                await self._feed(kill)
                await asyncio.sleep(self.draw.uniform(0.2, 1.6))
                bridges.kill()
            await bridges.start()
            await self._settle(config, begun + patience)
        self.result.seconds = round(time.monotonic() - begun, 1)

    async def _feed(self, kill: int) -> None:
        """Put the next mails into the box, and let the patient say something wherever he already can."""
        total, kills = self.result.mails, self.result.kills
        numbers = range(kill * total // kills, (kill + 1) * total // kills)
        mails = [mail(f"Courrier {each}.", number=each, subject=f"Sujet {each % SUBJECTS}") for each in numbers]
        await asyncio.to_thread(self.dovecot.put, *mails)
        for conversation in (await self._conversations())[:1]:
            for number in range(len(self.said), min(len(self.said) + max(1, len(mails) // ANSWERS), 10**6)):
                self.said.append(f"Réponse {number}.")
                await self.jean.say(conversation, self.said[-1], None)

    async def _conversations(self) -> list[bytes]:
        shown = (await self.jean.ask("GET", "/v1/conversations", params={"limit": 200}))["conversations"]
        return [unb64(each["conversation"]) for each in reversed(shown)][1:]

    async def _settle(self, config: Path, until: float) -> None:
        """Wait until all is done, or until time is over; then count."""
        while time.monotonic() < until:
            marked = await asyncio.to_thread(self._marked)
            if marked == self.result.mails + len(self.said):
                break
            await asyncio.sleep(0.3)
        await self._count(config)

    def _marked(self) -> int:
        return sum(b"$PliTaken" in each for each in self.dovecot.flags())

    async def _count(self, config: Path) -> None:
        found = Counter[int]()
        for conversation in await self._conversations():
            found.update(int(n) for text in await read_all(self.jean, conversation) for n in _WORDS.findall(text))
        self.result.lost = [n for n in range(self.result.mails) if found[n] == 0]
        self.result.doubled = [n for n, count in found.items() if count > 1]
        self._count_answers(await asyncio.to_thread(self.dovecot.mails))
        self.result.unmarked = self.result.mails + len(self.said) - await asyncio.to_thread(self._marked)
        async with desk_of(config) as desk:
            self.result.quarantined = desk.inbox.counts("cabinet").get("quarantined", 0)

    def _count_answers(self, mails: list[bytes]) -> None:
        read = [email.message_from_bytes(each, policy=email.policy.default) for each in mails]
        bodies = Counter(each.get_content().strip() for each in read if "pli." in str(each["Message-ID"]))
        self.result.answers = len(self.said)
        self.result.answers_lost = [each for each in self.said if bodies[each] == 0]
        self.result.answers_doubled = [each for each in self.said if bodies[each] > 1]


async def read_all(peer: Peer, conversation: bytes) -> list[str]:
    """Open every text of a long conversation."""
    opened, texts, after = await peer.refresh(conversation), [], 0
    while events := await peer.events(conversation, after=after, limit=200):
        after = events[-1]["seq"]
        for event in events:
            if event["type"] == "envelope" and event["envelope"]:
                message = envelope.open_message(unb64(event["envelope"]), opened, kind=event["kind"])
                if message.content.type == "text":
                    texts.append(message.content.payload["text"])
    return texts


async def campaign(*, mails: int, kills: int, seed: int, patience: float = 600.0) -> Result:
    """Run one campaign and give what became of all."""
    telemetry.configure(strict=False, write=lambda _: None, foreign=False)
    place = MEMORY if MEMORY.is_dir() else None
    with running_dovecot(place) as dovecot, tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        async with running(folder / "server") as server:
            claire = await Peer.professional(server, "Claire Martin")
            jean = await Peer.claim(server, await claire.invite())
            await make_home(server, folder / "home")
            config = configuration(folder, dovecot)
            async with desk_of(config) as desk:
                desk.patients.learn(JEAN, account=jean.id)
            run = Campaign(folder, dovecot, jean, claire, random.Random(seed), Result(mails, kills))
            await run.run(config, patience)
            await jean.close()
            await claire.close()
            return run.result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", action="store_true", help="the numbers of a release (about an hour)")
    parser.add_argument("--mails", type=int)
    parser.add_argument("--kills", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=7200.0, help="seconds after which what is missing is lost")
    args = parser.parse_args()
    mails, kills = IN_RELEASE if args.release else IN_CI
    mails, kills = args.mails or mails, args.kills or kills
    result = asyncio.run(campaign(mails=mails, kills=kills, seed=args.seed, patience=args.patience))
    print(json.dumps({**asdict(result), "faults": result.faults}))
    sys.exit(1 if result.faults else 0)


if __name__ == "__main__":
    main()
