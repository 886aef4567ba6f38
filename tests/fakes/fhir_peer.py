"""Medplum's FHIR server in memory, from its own folder; where it is not installed the tests say so and are skipped."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "tools/peers/fhir"
NODE = shutil.which("node", path=f"{FOLDER.parents[2] / '.venv/node/bin'}:/usr/bin:/usr/local/bin") or shutil.which(
    "node"
)
needs_fhir_peer = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules/@medplum/fhir-router").is_dir(),
    reason="the FHIR peer is not installed: npm ci --ignore-scripts in tools/peers/fhir",
)


@contextmanager
def fhir_peer():
    """Give the base address of a fresh server."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([NODE, "serve.mjs"], cwd=FOLDER, **pipes) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
