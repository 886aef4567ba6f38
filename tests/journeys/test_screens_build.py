"""The build of the web client: the same bytes twice, small, and nothing in it that the content security policy forbids."""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

WEB = Path(__file__).parents[2] / "web"
BUDGET = 120_000
"""Bytes of gzipped JavaScript before the first screen (ux.md 2.3), the sentences of one language included."""


def build(folder: Path) -> Path:
    npx = shutil.which("npx")
    if npx is None or not (WEB / "node_modules").exists():
        pytest.skip("the web client's packages are not installed (make setup)")
    subprocess.run([npx, "vite", "build", "--outDir", folder, "--logLevel", "error"], cwd=WEB, check=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def webroot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"))


def test_two_builds_are_the_same_to_the_last_bit(webroot: Path, tmp_path: Path) -> None:
    again = build(tmp_path / "second")
    assert (again / "ASSETS.sha256").read_text() == (webroot / "ASSETS.sha256").read_text()


def test_the_list_of_hashes_names_every_file_and_is_right(webroot: Path) -> None:
    listed = dict(reversed(line.split("  ", 1)) for line in (webroot / "ASSETS.sha256").read_text().splitlines())
    there = {
        path.relative_to(webroot).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in webroot.rglob("*")
        if path.is_file() and path.name != "ASSETS.sha256"
    }
    assert listed == there
    assert {"index.html", "index.html.br", "sw.js", ".vite/manifest.json", ".vite/license.md"} <= set(listed)


def test_the_first_screen_costs_little(webroot: Path) -> None:
    manifest = json.loads((webroot / ".vite/manifest.json").read_text())

    def needed(name: str) -> set[str]:
        chunk = manifest[name]
        return {chunk["file"]}.union(*(needed(other) for other in chunk.get("imports", [])))

    files = needed("index.html") | {manifest["src/i18n/fr/index.ts"]["file"]}
    weight = sum(len(gzip.compress((webroot / file).read_bytes(), 9)) for file in files)
    assert weight <= BUDGET, f"{weight} bytes: {sorted(files)}"


def test_pages_carry_no_inline_script_or_style(webroot: Path) -> None:
    page = (webroot / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []
    assert set(re.findall(r'(?:src|href)="(https?:)?//', page)) == set()


def test_only_the_agreed_trusted_types_policies_are_made(webroot: Path) -> None:
    made: set[str] = set()
    for script in (webroot / "assets").glob("*.js"):
        made |= set(re.findall(r"createPolicy\([`\"']([\w-]+)", script.read_text()))
    assert made <= {"svelte-trusted-html", "fs-script-url", "fs-worker"}
    assert {"fs-script-url", "fs-worker"} <= made


def test_no_sample_person_is_shipped(webroot: Path) -> None:
    sample = (WEB / "src/view/gallery/people.ts").read_text()
    assert "Marie-Antoinette de Villeneuve-Bargemon" in sample
    for script in webroot.rglob("*.js"):
        assert "Villeneuve-Bargemon" not in script.read_text(), script.name


def test_the_service_worker_keeps_only_files_that_exist(webroot: Path) -> None:
    worker = (webroot / "sw.js").read_text()
    assert "__SHELL" not in worker
    kept = re.findall(r"/assets/[\w.-]+", worker)
    assert len(kept) > 5
    assert [file for file in kept if not (webroot / file.lstrip("/")).exists()] == []
    assert "/v1" not in worker
