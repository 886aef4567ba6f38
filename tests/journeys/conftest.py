"""Fixtures of the journeys; the programs they start are in `support.py`."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.peer import Peer
from tests.journeys.people import Person
from tests.journeys.scripted import Script
from tests.journeys.support import CHROMIUM, CHROMIUM_FLAGS, Recorder, Server, Terminal, write_pdf
from tools.services import free_port


@pytest.fixture
def recorder() -> Iterator[Callable[[int], Recorder]]:
    """Put a recording proxy before a port: `recorder(server.port)`."""
    made: list[Recorder] = []

    def record(port: int) -> Recorder:
        made.append(Recorder(port))
        return made[-1]

    yield record
    for one in made:
        one.close()


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Make and start servers on free ports; all are stopped at the end."""
    servers: list[Server] = []

    def make(
        name: str = "server", *, start: bool = True, public_url: str = "", extra: list[str] | None = None
    ) -> Server:
        server = Server(
            tmp_path / name, tmp_path / f"{name}.log", free_port(), public_url=public_url, extra=extra or []
        )
        server.lay_out()
        servers.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.fixture
def terminal(tmp_path: Path) -> Callable[..., Terminal]:
    """A person at a terminal: `terminal("jean", server.url)`."""
    return lambda name, url: Terminal(tmp_path / "homes" / name, url)


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    """A small, correct one-page PDF prescription."""
    return write_pdf(tmp_path / "ordonnance.pdf", "ORDONNANCE (demo) - Amlodipine 5 mg, 1 par jour, 3 mois")


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The distribution's Chromium under playwright; skipped, with the reason, where it is absent."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only the browser tests need it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of a module: for those that neither stop it nor use up its limits."""
    folder = tmp_path_factory.mktemp("shared")
    server = Server(folder / "server", folder / "server.log", free_port())
    server.lay_out()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    """Correspondents without a browser, driven from tests that do not wait for them."""
    script = Script()
    yield script
    script.close()


@pytest.fixture(scope="module")
def doctor(script: Script, shared_server: Server) -> Peer:
    """The professional of most stories: without a browser, on the module's server."""
    return script.professional(shared_server, "Dr Claire Martin")


@pytest.fixture
def person(chromium: Any) -> Iterator[Callable[..., Person]]:
    people: list[Person] = []

    def make(size: dict[str, int], **more: str) -> Person:
        people.append(Person(chromium, size, **more))
        return people[-1]

    yield make
    if (shots := os.environ.get("JOURNEY_SCREENSHOTS")) is not None:
        for number, one in enumerate(people):
            for page_number, page in enumerate(one.context.pages):
                page.screenshot(path=f"{shots}/{number}-{page_number}.png")
    complaints = [complaint for one in people for complaint in one.complaints]
    for one in people:
        one.context.close()
    assert complaints == []
