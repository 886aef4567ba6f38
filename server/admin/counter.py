"""Ask the running server of a data folder through its socket there (``office`` answers).

Apart from what answers, so that a command that only asks starts at once.
"""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from typing import Any, Final

import msgspec
from typing_extensions import override

from server.admin.terminal import UNREACHABLE, CommandError

NAME: Final = "admin.sock"
PROFESSIONALS: Final = "/professionals"
_LONGEST: Final = 100  # bytes of a socket's path that every system takes


class AddProfessional(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator has checked."""

    name: str
    profession: str
    identifier: str


def ask(data: Path, path: str, body: msgspec.Struct) -> dict[str, Any]:
    """Ask the running server of ``data``.

    Raises:
        CommandError: nobody answers, or a rule refuses.

    """
    connection = _Counter(data)
    try:
        connection.request("POST", path, msgspec.json.encode(body))
        answer = connection.getresponse()
        told: dict[str, Any] = msgspec.json.decode(answer.read())
    except OSError:
        raise CommandError(
            "network", "the server that holds this data folder does not answer", status=UNREACHABLE
        ) from None
    finally:
        connection.close()
    if answer.status != http.client.CREATED:
        raise CommandError.of_code(told["code"], told["detail"])
    return told


class _Counter(http.client.HTTPConnection):
    """HTTP over the socket in a data folder."""

    def __init__(self, data: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._data = data

    @override
    def connect(self) -> None:
        folder = os.open(self._data, os.O_RDONLY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(30)
            self.sock.connect(address(self._data, folder))
        finally:
            os.close(folder)


def address(data: Path, folder: int) -> str:
    """Return the socket's path; through the open folder when the path is longer than a socket's may be (Linux)."""
    path = str(data.resolve() / NAME)
    return path if len(os.fsencode(path)) < _LONGEST else f"/proc/self/fd/{folder}/{NAME}"
