"""``pli demo``: a server with a first letter on it, and three links to click."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from server.demo import seed
from server.demo.programs import Address, DemoError, Server, pli

MARK: Final = "DEMONSTRATION"
STORY: Final = "story.json"


def run(data: Path, at: Address, *, fresh: bool, json: bool) -> int:
    """Serve the demonstration in ``data`` until a signal ends it; make it first when it is not there (or ``fresh``).

    Raises:
        DemoError: the folder holds something else, or a step failed.

    """
    story = None if fresh else _known(data)
    if story is None:
        _say("Making the demonstration")
        _clear(data)
        pli("init", "--data", str(data))
        (data / MARK).touch()
    _say("Starting the server")
    server = Server(data, at)
    with _forwarding(server):
        try:
            story = story or _play(data, server.url)
        except BaseException:
            server.stop()
            raise
        links = _links(story, server.url)
        sys.stdout.write(msgspec.json.encode(links).decode() + "\n" if json else _invitation(links))
        sys.stdout.flush()
        return server.wait()


def _play(data: Path, url: str) -> seed.Story:
    _say("Playing the first scene, with real keys and through the public interface:")
    story = seed.seed(data, url, _say)
    partial = data / (STORY + ".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(story))
    partial.replace(data / STORY)
    return story


def _known(data: Path) -> seed.Story | None:
    """Return the story of a complete demonstration, else nothing."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
        return msgspec.json.decode((data / STORY).read_bytes(), type=seed.Story)
    return None


def _clear(data: Path) -> None:
    """Remove an earlier demonstration; refuse to touch anything else, or one that is being served."""
    if not data.exists():
        return
    if any(data.iterdir()) and not (data / MARK).exists():
        raise DemoError(f"{data} is not a demonstration", "choose another folder with --data")
    if _served(data):
        raise DemoError("another process uses this data folder", "stop it first, or choose another folder with --data")
    shutil.rmtree(data)


def _served(data: Path) -> bool:
    """Tell whether a server holds the lock of ``data``."""
    with contextlib.suppress(FileNotFoundError), (data / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextlib.contextmanager
def _forwarding(server: Server) -> Iterator[None]:
    """Pass SIGTERM and Ctrl-C on to the server, so that both end together and in order."""
    before = {name: signal.signal(name, lambda *_: server.ask()) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _links(story: seed.Story, url: str) -> dict[str, str]:
    return {
        "url": url,
        "doctor": f"{url}/u#{story.doctor_code}",
        "pharmacist": f"{url}/u#{story.pharmacist_code}",
        "patient": f"{url}/i#{story.invitation}",
        "invitation_code": story.invitation_code,
    }


def _invitation(links: dict[str, str]) -> str:
    return f"""
The demonstration is ready. Open each link in a window of its own (private windows keep them apart):

  {seed.DOCTOR}, general practitioner
      {links["doctor"]}
  {seed.PHARMACIST}, pharmacist
      {links["pharmacist"]}
  {seed.PATIENT}, patient, has no account yet
      {links["patient"]}
      or, as from a paper letter: {links["url"]}/i and the code {links["invitation_code"]}

Ctrl-C ends it; `{sys.argv[0]} demo --fresh` starts the story again.

"""


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
