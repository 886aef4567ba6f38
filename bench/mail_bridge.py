"""``python -m bench.mail_bridge``: mails a second of one bridge process, in and out. The last line of stdout is JSON.

In: mails of 100 KB with an IHE_XDM.ZIP, kept, read in the sandbox, said in conversations, their PDF sealed and sent up.
Out: PDFs of a professional, fetched, opened, put into archives, composed, and queued. The mailboxes themselves are left
out: IMAP and SMTP cost their servers more than us. The bridge and its child have core 0 for themselves; the server and
the people have the others. Goal (issue 4): 50 a second each way, memory flat.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from bridges.kit import accounts, attachments, claims
from bridges.kit.beginning import Beginning
from bridges.kit.client import Client, client
from bridges.kit.home import Home
from bridges.kit.messages import Draft as Words
from bridges.mail import codes, process
from bridges.mail.config import load
from bridges.mail.inbox import Source
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.patients import Person
from bridges.mail.process import Desk
from bridges.mail.xdm_making import make_xdm
from crypto.codec import b64

INS, NUMBER = "279035121518989", "99700367909"
GOAL = 50.0  # mails a second, each way
PDF = 36 * 1024  # bytes; with the archive beside it and base64, a mail of 100 KB
CONVERSATIONS = 20
CORE = {0}
TRAITS = {"ins": INS, "birth_name": "CORSE", "birth_date": "1979-03-28", "sex": "F"}
AUTHOR = Writer(
    id=NUMBER,
    title="DR",
    family_name="LEROY",
    given_name="Paul",
    specialty="G15_10/SM26",
    institution="CHU du Nord",
    institution_id="499700367909006",
    facility="SA07",
)
CONFIG = """
home = "bridge"
state = "state"
team = ["{team}"]
[[box]]
name = "bench"
address = "pli@cabinet.mssante.fr"
owner = "Cabinet"
[writer.{number}]
{writer}
"""


def mail(number: int, draw: random.Random) -> bytes:
    """Write a mail of 100 KB as software of a hospital does."""
    pdf = b"%PDF-1.4\n" + draw.randbytes(PDF)
    archive = make_xdm(
        Draft(
            pdf=pdf,
            patient=Subject(**TRAITS, given_names="Anne"),
            author=AUTHOR,
            type=codes.table("types")["18748-4"],
            title="Echographie",
            made_at=datetime(2026, 11, 20, tzinfo=UTC),
        )
    ).archive
    made = EmailMessage()
    made["From"], made["To"] = "dr.leroy@chu.mssante.fr", "pli@cabinet.mssante.fr"
    made["Message-ID"], made["Subject"] = f"<b{number}@chu.mssante.fr>", f"Sujet {number % CONVERSATIONS}"
    made.set_content(f"Courrier {number}.")
    made.add_attachment(archive, "application", "zip", filename="IHE_XDM.ZIP")
    made.add_attachment(pdf, "application", "pdf", filename="CR.pdf")
    return made.as_bytes()


@contextlib.asynccontextmanager
async def server(folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """Run ``pli serve`` on the other cores."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
    data, pli = folder / "server", [sys.executable, "-m", "server"]
    await asyncio.to_thread(subprocess.run, [*pli, "init", "--data", str(data)], check=True, capture_output=True)
    words = (*pli, "serve", "--data", str(data), "--port", "0", "--no-web")
    log = folder / "log"
    with log.open("wb") as out:
        running = await asyncio.create_subprocess_exec(*words, stdout=out, stderr=out, env=environment)
    os.sched_setaffinity(running.pid, os.sched_getaffinity(0) - CORE or CORE)
    try:
        yield await _url(log), data
    finally:
        running.terminate()
        await running.wait()


async def _url(log: Path) -> str:
    for _ in range(600):
        if found := re.search(r"ready (http://\S+)", await asyncio.to_thread(log.read_text)):
            return found[1]
        await asyncio.sleep(0.1)
    raise AssertionError("the server did not start")


async def professional(url: str, data: Path, home: Path, name: str, number: str) -> Home:
    """Make an account as an operator and a professional do."""
    words = [sys.executable, "-m", "server", "admin", "professional", "add", "--data", str(data), "--json"]
    words += ["--name", name, "--profession", "10", "--rpps", number]
    out = await asyncio.to_thread(subprocess.run, words, check=True, capture_output=True)
    made = Home(home)
    await accounts.create(Beginning(made, url, "bench", lambda: None), json.loads(out.stdout)["activation_link"])
    return made


@contextlib.asynccontextmanager
async def entered(home: Home) -> AsyncIterator[Client]:
    """Unlock a home of the bench."""
    async with home.alone(lambda: None), client(home, server=None, ask=str, tell=lambda _: None) as made:
        yield made


def memory() -> int:
    """Give the MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


def work(desk: Desk) -> float:
    """Give the seconds of processor time that the bridge and its reading child took so far."""
    child = desk.judge.sandbox.pid
    ticks = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13] if child else ("0", "0")
    return time.process_time() + sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


async def measure_in(desk: Desk, count: int) -> dict[str, Any]:
    """Carry mails into conversations."""
    draw = random.Random(1)
    await _take(desk, [mail(number, draw) for number in range(CONVERSATIONS)], 0)  # the conversations begin
    raws = [mail(number, draw) for number in range(CONVERSATIONS, CONVERSATIONS + count)]
    early = max(1, count // 5)
    began, worked = time.monotonic(), work(desk)
    await _take(desk, raws[:early], CONVERSATIONS)
    before = memory()
    await _take(desk, raws[early:], CONVERSATIONS + early)
    seconds, worked = time.monotonic() - began, work(desk) - worked
    accepted = desk.inbox.counts("bench").get("accepted", 0)
    assert accepted == CONVERSATIONS + count, desk.inbox.counts("bench")
    size = sum(map(len, raws)) // len(raws)
    return {**_rate(count, seconds, worked), "bytes": size, "mib_early": before, "mib_late": memory()}


async def _take(desk: Desk, raws: list[bytes], first: int) -> None:
    for number, raw in enumerate(raws, first + 1):
        desk.keep(raw, Source("bench", 1, number))
    await desk.pass_once()


async def measure_out(desk: Desk, claire: Home, count: int, folder: Path) -> dict[str, Any]:
    """Carry a professional's documents out as archives."""
    draw, path = random.Random(2), folder / "ordonnance.pdf"
    conversations = [thread.conversation for thread in desk.threads.all()]
    async with entered(claire) as writer:
        for number in range(count):
            # Says that it is PDF/A-1: what a conversion costs is measured apart (docs/operate/mail.md).
            path.write_bytes(b"%PDF-1.4\n<pdfaid:part>1</pdfaid:part>\n" + draw.randbytes(PDF))
            document = attachments.inspect(path, "prescription", 10**7)
            await writer.messages.send(conversations[number % len(conversations)], Words(f"Mot {number}.", [document]))
    before, began, worked = memory(), time.monotonic(), work(desk)
    await desk.pass_once()
    seconds, worked = time.monotonic() - began, work(desk) - worked
    leaving = [each.mail.raw for each in desk.outgoing.due("bench", limit=count)]
    assert len(leaving) == count, len(leaving)
    return {
        **_rate(count, seconds, worked),
        "bytes": sum(map(len, leaving)) // count,
        "mib_early": before,
        "mib_late": memory(),
    }


def _rate(count: int, seconds: float, worked: float) -> dict[str, Any]:
    a_second, busy = round(count / seconds, 1), round(1000 * worked / count, 1)
    told = {"mails": count, "seconds": round(seconds, 2), "processor_ms": busy, "a_second": a_second}
    return {**told, "goal": GOAL, "met": a_second >= GOAL}


async def run(count: int, folder: Path) -> dict[str, Any]:
    """Measure both ways."""
    async with server(folder) as (url, data):
        bridge = await professional(url, data, folder / "bridge", "Passerelle", "10002422979")
        claire = await professional(url, data, folder / "claire", "Paul Leroy", NUMBER)
        async with entered(claire) as writer:
            team = b64(writer.device.id)
            invited = await writer.starting.invite("Anne", "Bonjour", Words("Bonjour"), days=30)
        beginning = Beginning(Home(folder / "anne"), url, "bench", lambda: None)
        anne = await claims.claim(beginning, claims.Ticket.read(link=invited.link, code=None))
        table = "\n".join(f'{name} = "{getattr(AUTHOR, name)}"' for name in AUTHOR.__struct_fields__)
        path = folder / "bridge.toml"
        path.write_text(CONFIG.format(team=team, number=NUMBER, writer=table))
        async with (
            client(bridge, server=None, ask=str, tell=lambda _: None) as made,
            process.opened(load(path), made, bridge) as desk,
        ):
            os.sched_setaffinity(0, CORE)
            desk.patients.learn(Person(**TRAITS, first_name="Anne"), account=anne.account)
            return {"in": await measure_in(desk, count), "out": await measure_out(desk, claire, count, folder)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(asyncio.run(run(args.mails, Path(name)))))


if __name__ == "__main__":
    main()
