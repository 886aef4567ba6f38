"""``python -m bench [--quick] [--json]``: what Pli costs on this machine. The last line of stdout is JSON."""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.goals import BOTH, POSTGRES, SQLITE, table
from bench.plan import FULL, QUICK
from bench.process import CORES, ENVIRONMENT, UNAVAILABLE, beside, pin_generator
from bench.run import run, say
from server.storage import engine
from tools.services import MissingError, Postgres

LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def durability(folder: Path) -> str:
    """What the server's own writer connection says, not what we believe."""
    connection = engine.writer(folder / "data" / "pli.db")
    mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    level = LEVELS[connection.execute("PRAGMA synchronous").fetchone()[0]]
    version = connection.execute("SELECT sqlite_version()").fetchone()[0]
    connection.close()
    return f"SQLite {version}, journal_mode={mode}, synchronous={level}; acknowledged after the commit"


def synced(postgres: Postgres) -> str:
    """Do the same with PostgreSQL."""
    names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
    version, *found = (postgres.sql(f"SELECT current_setting('{name}')") for name in names)
    shown = ", ".join(f"{name}={value}" for name, value in zip(names[1:], found, strict=True))
    return f"PostgreSQL {version}, {shown}; acknowledged after the commit"


def commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def summary(found: dict[str, Any], safe: str, *, pinned: bool, seconds: float) -> dict[str, Any]:
    """The figures that people compare, and what they need to judge them."""

    def per_cpu(path: str) -> dict[str, float]:
        return {senders: one["per_server_cpu_s"] for senders, one in found[path].items()}

    return {
        "program": "pli",
        "commit": commit(),
        "sends_per_server_cpu_s": per_cpu("http"),
        "sends_per_server_cpu_s_lean": per_cpu("lean"),
        "delivery_p50_ms_at": {rate: one["delivery_p50_ms"] for rate, one in found["offered"].items()},
        "delivery_p99_ms_at": {rate: one["delivery_p99_ms"] for rate, one in found["offered"].items()},
        "saturated_at": [rate for rate, one in found["offered"].items() if one["saturated"]],
        "receipt_round_trip_p50_ms": found["receipts"]["p50_ms"],
        "history_of_50_per_server_cpu_s": found["history"]["per_server_cpu_s"],
        "idle_kib_per_connection": found["idle"]["kib_each"],
        "attachment_mb_per_s": {way: found["attachment"][way]["mb_per_s"] for way in ("up", "down")},
        "attachment_mb_per_server_cpu_s": {
            way: found["attachment"][way]["mb_per_server_cpu_s"] for way in ("up", "down")
        },
        "refused": sum(one["refused"] for path in ("http", "lean") for one in found[path].values()),
        "undelivered": sum(one["undelivered"] for path in ("http", "lean") for one in found[path].values()),
        "durability": safe,
        "envelope_bytes": found["envelope_bytes"],
        "pairs": found["pairs"],
        "pinned": pinned,
        "cores": len(CORES),
        "calibration_ms": found["calibration_ms"],
        "server_environment": ENVIRONMENT,
        "python": platform.python_version(),
        "seconds": round(seconds, 1),
    }


def started(ended: contextlib.ExitStack) -> Postgres:
    """Start a PostgreSQL on the server's core, and let the server use it."""
    postgres = Postgres()
    ended.callback(postgres.remove)
    postgres.start()
    beside(postgres.process.pid)
    os.environ["PLI_DATABASE_URL"] = postgres.url()
    return postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 s")
    parser.add_argument("--json", action="store_true", help="only the last line on stdout")
    parser.add_argument(
        "--postgres", action="store_true", help="on a PostgreSQL started for this run, default settings"
    )
    arguments = parser.parse_args()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="pli-bench-") as folder, contextlib.ExitStack() as ended:
        pinned = pin_generator()
        say(f"server on core {CORES[0]}, generator on core {CORES[-1]}" if pinned else "one core only: not pinned")
        try:
            postgres = started(ended) if arguments.postgres else None
        except MissingError as missing:
            print(f"not measured: --postgres needs a PostgreSQL on this machine: {missing}", file=sys.stderr)
            return UNAVAILABLE
        found = run(QUICK if arguments.quick else FULL, Path(folder))
        safe = synced(postgres) if postgres else durability(Path(folder))
    if not arguments.json:
        print(json.dumps(found, indent=1))
    short = summary(found, safe, pinned=pinned, seconds=time.perf_counter() - begun)
    print(table(short, (*(POSTGRES if postgres else SQLITE), *BOTH)), file=sys.stderr)
    print(json.dumps(short))
    return 0


if __name__ == "__main__":
    sys.exit(main())
