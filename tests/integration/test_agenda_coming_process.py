"""The automate as a process, killed again and again while partners push: each appointment is copied once and shown once."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridges.kit.messages import Draft
from tests.fakes.agendas import Radicale, needs_peers, running, settings
from tests.fakes.appointments import Automate, automate_home, doctor, patient_of, soon
from tests.fakes.partners import PAGE, calling, day
from tests.fakes.server import running as running_server

pytestmark = needs_peers
PARTNERS = """
[[partners]]
name = "Logiciel"
write = true
provider = { kind = "link", inbox = "inbox.db", source = "lgc", parameter = "pli" }
"""
COUNT = 6


@pytest.fixture
def radicale() -> Iterator[Radicale]:
    service = running(Radicale)
    yield service  # type: ignore[misc]  # the kind that was asked for
    service.remove()


async def test_killed_while_partners_push_it_copies_and_says_each_once(tmp_path: Path, radicale: Radicale) -> None:
    async with (
        running_server(tmp_path / "server", web=False) as server,
        doctor(server, tmp_path) as (claire, code),
        patient_of(claire, tmp_path) as jean,
    ):
        home = await automate_home(server, tmp_path, code)
        path = settings(tmp_path, radicale.url, more=f'page = "{PAGE}"')
        path.write_text(path.read_text() + PARTNERS)
        automate = Automate(home, path, tmp_path / "automate.log")
        await claire.client.messages.send(claire.conversation, Draft(f"{PAGE}?pli=K7"))
        async with calling(tmp_path) as partners:
            automate.start()
            try:
                await soon(claire.free, "free slots")
                for number in range(COUNT):
                    start = day(8) + timedelta(hours=number)
                    assert await partners.push("booked", start, reference=f"A{number}", correlation="K7") == 200
                    await asyncio.sleep(0.3 + number / 5)
                    automate.stop(signal.SIGKILL)
                    automate.start()

                async def all_there() -> bool:
                    return len(await jean.said("booked")) >= COUNT

                await soon(all_there, "the cards")
                assert automate.alive()
            finally:
                automate.stop()
        told = [each.said.payload["slot"]["start"] for each in await jean.said("booked")]
        assert sorted(told) == [int((day(8) + timedelta(hours=n)).timestamp()) * 1000 for n in range(COUNT)]
        _, body = radicale.ask("GET", radicale.calendar)
        assert len(re.findall(r"BEGIN:VEVENT", body.decode())) == COUNT
