"""`make dev`: the demonstration, started again when Python changes and with the web client rebuilt when it changes."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
WATCHED = (("server", "*.py"), ("crypto", "*.py"), ("server/webroot", "ASSETS.sha256"))
DATA = ROOT / "data" / "dev"


def stamps(folder: str, pattern: str) -> dict[Path, int]:
    """Return when each file was last written: polling needs no library, and 400 files take 5 ms."""
    return {path: path.stat().st_mtime_ns for path in (ROOT / folder).rglob(pattern)}


def start(port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "server", "demo", "--data", str(DATA), "--port", str(port)]
    return subprocess.Popen(command, cwd=ROOT)


def rebuild() -> subprocess.Popen[bytes] | None:
    """Let Vite write the web client again on each change; the server reads it at its next start."""
    npx = shutil.which("npx")
    return subprocess.Popen([npx, "vite", "build", "--watch"], cwd=ROOT / "web") if npx else None


def stop(process: subprocess.Popen[bytes] | None) -> None:
    """End a process in order; one that has ended by itself (a syntax error) waits for the next change."""
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(timeout=20)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8420)
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the children are ended below
    builder, server = rebuild(), None
    seen: list[dict[Path, int]] = []
    try:
        while True:
            now = [stamps(folder, pattern) for folder, pattern in WATCHED]
            if now != seen:
                stop(server)
                server, seen = start(port), now
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        stop(server)
        stop(builder)


if __name__ == "__main__":
    sys.exit(main())
