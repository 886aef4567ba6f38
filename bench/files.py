"""``python -m bench.files``: large files through Pli and through nginx, one after the other, on the same core.

nginx takes them by PUT into a folder and hands them out with sendfile; it knows nobody and checks nothing. Prints JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import attachments
from bench.goals import FILES, table
from bench.people import activations, make_pairs
from bench.plan import MIB
from bench.process import CORES, Server, pin_generator, start
from bench.wire import Http, request
from server.__main__ import main as pli

SIZE = 25 * MIB
ROUNDS = 3
CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{ access_log off; sendfile on; tcp_nopush on; client_max_body_size 1g; client_body_temp_path {folder}/body;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; dav_methods PUT; }} }}
"""


def nginx(folder: Path) -> Server:
    """Start nginx on the server's core."""
    for name in ("files", "body"):
        (folder / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port))
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not here; as root: apt-get install nginx")
    process = subprocess.Popen([program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
    os.sched_setaffinity(process.pid, {CORES[0]})
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return Server(process, "127.0.0.1", port)
        time.sleep(0.02)
    raise SystemExit("nginx did not start: " + (folder / "error.log").read_text())


async def through_nginx(server: Server) -> dict[str, Any]:
    """The same files as ``attachments.measure``, in one part each."""
    http, data = await Http.open(server.host, server.port), os.urandom(SIZE)
    begun, cpu = time.perf_counter(), server.cpu()
    for number in range(attachments.COPIES):
        status, _, _ = await http.ask(request("PUT", f"/{number}", server.address, data))
        if status not in {201, 204}:
            raise RuntimeError(f"nginx answered {status}")
    up = attachments.price(server, SIZE, begun, cpu)
    begun, cpu = time.perf_counter(), server.cpu()
    for number in range(attachments.COPIES):
        _, _, body = await http.ask(request("GET", f"/{number}", server.address))
        if body != data:
            raise RuntimeError("nginx handed out something else")
    down = attachments.price(server, SIZE, begun, cpu)
    http.close()
    return {"up": up, "down": down}


async def through_pli(server: Server, tokens: list[str]) -> dict[str, Any]:
    [pair] = await make_pairs(server.host, server.port, tokens, 60)
    return await attachments.measure(server, pair, SIZE)


def once(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    with contextlib.redirect_stdout(sys.stderr):
        pli(["init", "--data", str(folder / "data")])
    server = start(folder / "data", folder / "server.log")
    try:
        ours = asyncio.run(through_pli(server, activations(folder / "data", 1)))
    finally:
        server.stop()
    peer = nginx(folder)
    try:
        return ours, asyncio.run(through_nginx(peer))
    finally:
        peer.stop()


def main() -> int:
    pin_generator()
    rounds = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="pli-files-") as folder:
            rounds.append(once(Path(folder)))
    found: dict[str, Any] = {"bytes": SIZE, "share_of_nginx": {}}
    for way in ("up", "down"):
        shares = sorted(ours[way]["mb_per_s"] / peer[way]["mb_per_s"] for ours, peer in rounds)
        found["share_of_nginx"][way] = round(shares[len(shares) // 2], 2)
        found[way] = {"pli": [ours[way] for ours, _ in rounds], "nginx": [peer[way] for _, peer in rounds]}
    print(table(found, FILES), file=sys.stderr)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
