"""Runs ``pli`` and ``pli-bridge`` as anybody would: as programs, through their terminal contract."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

READY: Final = "ready "


class DemoError(Exception):
    """The demonstration could not be made: which step failed, what the program answered, and (``hint``) what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Address:
    """Where the demonstration listens, and how people reach it when that is somewhere else."""

    host: str
    port: int
    public_url: str | None
    web: bool = True


def pli(*arguments: str) -> dict[str, Any]:
    """Run ``pli … --json`` and return its answer."""
    return _run("server", *arguments, "--json")


def bridge(home: Path, server: str, *arguments: str) -> dict[str, Any]:
    """Run ``pli-bridge`` as the person whose device lives in ``home``."""
    return _run("bridges", "--home", str(home), "--server", server, "--json", *arguments)


def _run(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)  # noqa: S603  # our own programs
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise DemoError(f"{' '.join(arguments[:6])} … ended with {done.returncode}: {said[-500:]}")
    answer: dict[str, Any] = msgspec.json.decode(done.stdout)
    return answer


class Server:
    """``pli serve --demo`` in a process of its own, whose log lines pass through to ours."""

    def __init__(self, data: Path, at: Address) -> None:
        command = [sys.executable, "-m", "server", "serve", "--demo", "yes", "--access-log", "no"]
        command += ["--data", str(data), "--host", at.host, "--port", str(at.port)]
        command += ["--public-url", at.public_url] if at.public_url else []
        command += [] if at.web else ["--no-web"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  # our own program
        self.url = self._until_ready()
        threading.Thread(target=self._pass_on, daemon=True).start()

    def _until_ready(self) -> str:
        said = []
        for line in self._process.stderr or ():
            if line.startswith(READY):
                return line.removeprefix(READY).strip()
            if not line.startswith("{"):  # its log; what it says to a person is the rest
                said.append(line.removeprefix("pli: ").strip())
        text, *hints = said or ["no reason given"]
        raise DemoError(f"the server did not start: {text}", "\n".join(hints).strip())

    def _pass_on(self) -> None:
        for line in self._process.stderr or ():
            sys.stderr.write(line)

    def wait(self) -> int:
        """Return the exit code once the server has ended."""
        return self._process.wait()

    def ask(self) -> None:
        """Ask the server to end in its own time."""
        self._process.terminate()

    def stop(self) -> int:
        """Ask the server to end, and wait until it has."""
        self.ask()
        return self.wait()
