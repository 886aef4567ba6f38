"""The TypeScript twin of the protocol in a real browser: the same vectors, the browser's own X-Wing, keys that stay in it.

Node has no X-Wing, so the unit tests of the web client know only the library that stands in for it. Here the bundle runs
in Chromium under the content security policy of the release, once with the browser's engine and once without.
"""

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from typing_extensions import override

from server.transport.pages import POLICY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
VECTORS = ROOT / "tests" / "vectors"
FILES = [
    path.relative_to(VECTORS).as_posix()
    for path in sorted(VECTORS.rglob("*.json"))
    if "group" in json.loads(path.read_text())
]
ENGINES = {"native": "", "noble": "delete SubtleCrypto.prototype.encapsulateBits"}

Open = Callable[[str], Page]


class Bundle(http.server.SimpleHTTPRequestHandler):
    """The bundled page, under the policy of the real server."""

    @override
    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    @override
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules" / "hpke").exists():
        pytest.skip("the web client's packages are not installed (make setup)")
    folder = tmp_path_factory.mktemp("protocol")
    bundle = [node, "tools/bundle_page.mjs", "src/protocol/testing/in_browser.ts", str(folder)]
    subprocess.run(bundle, cwd=WEB, check=True, timeout=120)
    (folder / "index.html").write_text(
        '<!doctype html><title>protocol</title><script type="module" src="page.js"></script>'
    )
    shutil.copytree(VECTORS, folder / "vectors")
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Bundle, directory=folder))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/index.html"
    served.shutdown()
    served.server_close()


@pytest.fixture(scope="module")
def open_page(address: str, chromium: Browser) -> Iterator[Open]:
    """Open the page with one of the engines; each engine has one page for all its vectors."""
    pages: dict[str, Page] = {}

    def show(engine: str) -> Page:
        if engine not in pages:
            context = chromium.new_context()
            context.add_init_script(ENGINES[engine])
            pages[engine] = context.new_page()
            _go(pages[engine], address)
        return pages[engine]

    yield show
    for page in pages.values():
        page.context.close()


def _go(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_function("'runVectors' in globalThis")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_is_the_browsers_own_where_it_has_one(engine: str, open_page: Open) -> None:
    assert open_page(engine).evaluate("engineName()") == engine


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("file", FILES)
def test_vectors(file: str, engine: str, open_page: Open) -> None:
    done = open_page(engine).evaluate("file => runVectors('vectors/' + file)", file)
    assert done["failures"] == []
    assert done["cases"] > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_device_survives_a_reload_and_never_gives_its_keys(engine: str, open_page: Open, address: str) -> None:
    page = open_page(engine)
    kept = page.evaluate("keepDevice()")
    _go(page, address)
    taken = page.evaluate("takeDevice()")
    assert taken["id"] == kept["id"]
    assert taken["works"]
    assert len(taken["opened"]) == 43
    assert kept["exported"] == taken["exported"] == []
