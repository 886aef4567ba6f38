"""Medplum's FHIR server in memory, from its own folder; where it is not installed the tests say so and are skipped."""

import asyncio
import shutil
from contextlib import asynccontextmanager
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


@asynccontextmanager
async def fhir_peer():
    """Give the base address of a fresh server."""
    process = await asyncio.create_subprocess_exec(
        NODE, "serve.mjs", cwd=FOLDER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 60))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
