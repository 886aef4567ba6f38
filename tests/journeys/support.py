"""Real programs for the journeys: `pli serve`, `pli-bridge` and the distribution's Chromium, nothing simulated."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fakes.server import laid_out

BIN = Path(sys.executable).parent
CHROMIUM = shutil.which("chromium")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def luhn(ten_digits: str) -> str:
    """Append the Luhn key to ten digits: a well-formed RPPS number."""
    total = 0
    for place, digit in enumerate(reversed(ten_digits)):
        doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return ten_digits + str(-total % 10)


class Recorder:
    """A TCP proxy in front of the server that keeps every byte of both directions, and can cut a connection once."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = bytearray()
        self.heard_from_clients = 0
        self.cuts = 0
        self._cut_at: int | None = None
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, more: int) -> None:
        """Break the connection on which the clients have sent `more` bytes from now on; those after it hold."""
        self._cut_at = self.heard_from_clients + more

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                return
            self._open += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(source, target, source is client), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                self.heard += block
                target.sendall(block)
                if from_client and self._must_cut(len(block)):
                    source.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _must_cut(self, more: int) -> bool:
        self.heard_from_clients += more
        if self._cut_at is None or self.heard_from_clients < self._cut_at:
            return False
        self._cut_at = None
        self.cuts += 1
        return True

    def close(self) -> None:
        self.listener.close()
        for one in self._open:
            one.close()


@dataclass
class Server:
    """A running `pli serve` on a data directory of its own."""

    data: Path
    log: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    public_url: str = ""
    extra: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.public_url or f"http://127.0.0.1:{self.port}"

    def lay_out(self) -> None:
        """Put there what `pli init` makes, made once for all servers of the process."""
        shutil.copytree(laid_out(), self.data)

    def start(self) -> None:
        command = [
            BIN / "pli",
            "serve",
            "--data",
            self.data,
            "--port",
            str(self.port),
            "--public-url",
            self.url,
            *self.extra,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 0.2) as probe:
                probe.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                if b" 200 " in probe.recv(64):
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError("the server did not become ready:\n" + self.log.read_text()[-4000:])

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)

    def add_professional(self, name: str, profession: str, rpps: str) -> str:
        """Return the activation link of a new professional."""
        done = subprocess.run(
            [
                BIN / "pli",
                "admin",
                "professional",
                "add",
                "--data",
                self.data,
                "--name",
                name,
                "--profession",
                profession,
                "--rpps",
                rpps,
                "--json",
            ],
            capture_output=True,
            check=True,
            timeout=60,
        )
        return str(json.loads(done.stdout)["activation_link"])


@dataclass
class Terminal:
    """One person with a `pli-bridge` home."""

    home: Path
    url: str

    def run(self, *words: object, code: int = 0) -> dict:
        """Run one command with --json and return its answer; the exit code must be `code`."""
        command = [BIN / "pli-bridge", "--home", self.home, "--server", self.url, "--json", *map(str, words)]
        done = subprocess.run(command, capture_output=True, timeout=120, env={**os.environ, "PLI_PASSPHRASE": ""})
        assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return json.loads(done.stdout) if done.stdout.strip() else {}


def write_pdf(path: Path, text: str) -> Path:
    """Write a one-page PDF that says `text` (ASCII) in Helvetica."""
    stream = f"BT /F1 14 Tf 60 760 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    path.write_bytes(out)
    return path
