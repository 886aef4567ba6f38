"""``python -m bench.restore``: how long is a practice away when its machine is gone? Prints JSON.

A data folder of a gigabyte (or ``--bytes``): one real conversation, made through the public API, then as many sealed
messages and documents as fit, written straight into it with ids that hash and numbers without a gap, so that
``pli verify`` accepts all of it. Then the operator's own commands, one process each: backup (while the server runs),
restore into an empty folder, start until ready. Everything is removed at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.people import Pair, activations, make_pairs
from bench.process import start
from crypto.suite import digest
from server.__main__ import main as pli
from server.storage import engine

GIGABYTE = 1_000_000_000
MESSAGE = 1_478  # bytes of a sealed message of a thousand characters
ROW = 2_360  # bytes that one takes in the database, with its index and two feeds
DOCUMENT = 2_000_000  # bytes of a sealed document
AT = 1_760_000_000_000
STEP = 5_000  # messages written at a time
PLI = str(Path(sys.executable).with_name("pli"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=GIGABYTE, help="size of the data folder")
    parser.add_argument("--at", type=Path, help="a folder on the disk to measure (else the temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pli-restore-", dir=args.at) as place:
        print(json.dumps(measure(Path(place), args.bytes)))
    return 0


def measure(place: Path, size: int) -> dict[str, Any]:
    data, copy, back = place / "data", place / "practice.backup", place / "restored"
    pli(["init", "--data", str(data)])
    server = start(data, place / "log")
    try:
        pair = asyncio.run(make_pairs(server.host, server.port, activations(data, 1), 60))[0]
    finally:
        server.stop()
    messages, documents = size * 45 // 100 // ROW, size * 55 // 100 // DOCUMENT
    say(f"writing {messages} messages and {documents} documents")
    write(data, pair, messages, documents)
    server = start(data, place / "log")
    try:
        seconds = {"backup": timed("backup", "--data", str(data), "--to", str(copy))}
    finally:
        server.stop()
    seconds["restore"] = timed("restore", "--from", str(copy), "--data", str(back))
    began = time.perf_counter()
    restored = start(back, place / "log")
    seconds["ready"] = round(time.perf_counter() - began, 1)
    restored.stop()
    seconds["away"] = round(seconds["restore"] + seconds["ready"], 1)
    seconds["verify"] = timed("verify", "--data", str(back))
    bytes_of = {"folder": weight(data), "database": (data / "pli.db").stat().st_size, "backup": copy.stat().st_size}
    return {"bytes": bytes_of, "messages": messages, "documents": documents, "seconds": seconds}


def write(data: Path, pair: Pair, messages: int, documents: int) -> None:
    """Fill the conversation of a pair."""
    connection = engine.writer(data / "pli.db")
    conversation, doctor = pair.opened.id, pair.doctor.own.id
    (last,) = connection.execute("SELECT last_seq FROM conversation WHERE id = ?", (conversation,)).fetchone() or (0,)
    epoch = pair.opened.chain.epoch
    header = bytes([1, 1]) + conversation[:16] + epoch.to_bytes(4)
    ends = {account: _end(connection, account) for account in (doctor, pair.patient.own.id)}
    for first in range(0, messages, STEP):
        bodies = [header + os.urandom(MESSAGE - len(header)) for _ in range(min(STEP, messages - first))]
        rows = [
            (
                conversation,
                last + n,
                "envelope",
                AT + n,
                doctor,
                epoch,
                "message",
                digest("message-id", body),
                body,
                None,
            )
            for n, body in enumerate(bodies, first + 1)
        ]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        for account, end in ends.items():
            feed = [(account, end + row[1] - last, conversation, row[1]) for row in rows]
            connection.executemany("INSERT INTO feed VALUES (?, ?, ?, ?)", feed)
        connection.execute("COMMIT")
    connection.execute("UPDATE conversation SET last_seq = ? WHERE id = ?", (last + messages, conversation))
    for _ in range(documents):
        _document(connection, data, conversation, doctor)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def _end(connection: Any, account: bytes) -> int:
    return int(connection.execute("SELECT max(position) FROM feed WHERE account = ?", (account,)).fetchone()[0] or 0)


def _document(connection: Any, data: Path, conversation: bytes, account: bytes) -> None:
    attachment = os.urandom(16)
    path = data / "blobs" / attachment.hex()[:2] / attachment.hex()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_bytes(os.urandom(DOCUMENT))
    row = (attachment, account, DOCUMENT, DOCUMENT, AT)
    connection.execute("INSERT INTO attachment (id, account, size, received, created_at) VALUES (?, ?, ?, ?, ?)", row)
    connection.execute("INSERT INTO attachment_link VALUES (?, ?, ?)", (attachment, conversation, 0))


def timed(*words: str) -> float:
    """Run a command of the operator; return how many seconds it took."""
    say(f"pli {words[0]}")
    began = time.perf_counter()
    subprocess.run([PLI, *words], check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 1)


def weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
